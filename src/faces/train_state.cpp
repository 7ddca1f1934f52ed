#include <amnet/core/error.h>
#include <amnet/core/text.h>
#include <amnet/faces/train_state.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

namespace amnet {
namespace {

nlohmann::json growth_json(const Growth& growth) {
  return {{"first", growth.first}, {"after_start", growth.after_start}, {"told", growth.told}};
}

Growth parse_growth(const nlohmann::json& json) {
  return {.first = json.at("first").get<double>(), .after_start = json.at("after_start").get<bool>(), .told = json.at("told").get<bool>()};
}

nlohmann::json health_json(const Health& health) {
  return {{"feature_norm", growth_json(health.feature_norm)},
          {"gradient_norm", growth_json(health.gradient_norm)},
          {"window_begin", health.window_begin},
          {"window_correct", health.window_correct},
          {"window_samples", health.window_samples},
          {"told_collapse", health.told_collapse},
          {"told_chance", health.told_chance}};
}

Health parse_health(const nlohmann::json& json) {
  return {.feature_norm = parse_growth(json.at("feature_norm")),
          .gradient_norm = parse_growth(json.at("gradient_norm")),
          .window_begin = json.at("window_begin").get<std::int64_t>(),
          .window_correct = json.at("window_correct").get<double>(),
          .window_samples = json.at("window_samples").get<double>(),
          .told_collapse = json.at("told_collapse").get<bool>(),
          .told_chance = json.at("told_chance").get<bool>()};
}

}  // namespace

std::string state_json(const TrainState& state) {
  const nlohmann::json json = {{"version", 1},
                               {"step", state.step},
                               {"samples", state.samples},
                               {"seed", state.seed},
                               {"images", state.images},
                               {"classes", state.classes},
                               {"data_fingerprint", state.data_fingerprint},
                               {"batch", state.batch},
                               {"accumulate", state.accumulate},
                               {"meters",
                                {{"loss", state.meters.loss},
                                 {"accuracy", state.meters.accuracy},
                                 {"target_cosine", state.meters.target_cosine},
                                 {"feature_norm", state.meters.feature_norm},
                                 {"count", state.meters.count}}},
                               {"health", health_json(state.health)},
                               {"verified_step", state.verified_step},
                               {"best_step", state.best_step},
                               {"best_accuracy", state.best_accuracy}};
  return json_text(json);
}

TrainState parse_state(const std::string& text, std::string_view source) {
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    require<DataError>(json.at("version").get<int>() == 1, "{}: the state has version {} but this amnet reads version 1.", source,
                       json.at("version").get<int>());
    TrainState state;
    json.at("step").get_to(state.step);
    json.at("samples").get_to(state.samples);
    json.at("seed").get_to(state.seed);
    json.at("images").get_to(state.images);
    json.at("classes").get_to(state.classes);
    json.at("data_fingerprint").get_to(state.data_fingerprint);
    json.at("batch").get_to(state.batch);
    json.at("accumulate").get_to(state.accumulate);
    const nlohmann::json& meters = json.at("meters");
    meters.at("loss").get_to(state.meters.loss);
    meters.at("accuracy").get_to(state.meters.accuracy);
    meters.at("target_cosine").get_to(state.meters.target_cosine);
    meters.at("feature_norm").get_to(state.meters.feature_norm);
    meters.at("count").get_to(state.meters.count);
    if (json.contains("health")) state.health = parse_health(json.at("health"));  // a state of before has none
    state.verified_step = json.value("verified_step", state.step);
    json.at("best_step").get_to(state.best_step);
    json.at("best_accuracy").get_to(state.best_accuracy);
    return state;
  } catch (const nlohmann::json::exception& error) {
    throw DataError(fmt::format("{}: this is no training state ({}).", source, error.what()));
  }
}

void check_resumable(const TrainState& checkpoint, const TrainState& now, std::string_view source) {
  const auto same = [&](std::string_view what, auto then, auto wanted, std::string_view flag) {
    require(then == wanted, "{}: the run was started with {} {} but now it is {}; give {} as before or start a new --out.", source, what,
            then, wanted, flag);
  };
  same("seed", checkpoint.seed, now.seed, "--seed");
  same("batch", checkpoint.batch, now.batch, "--batch");
  same("accumulate", checkpoint.accumulate, now.accumulate, "--accumulate");
  same("images", checkpoint.images, now.images, "--root and --train-list, or --pack,");
  same("classes", checkpoint.classes, now.classes, "--classes");
  require(checkpoint.data_fingerprint == now.data_fingerprint,
          "{}: the training list has other paths or labels than when the run was started; restore it or start a new --out.", source);
}

void check_same_model(const ModelDescription& checkpoint, const ModelDescription& now, std::string_view source) {
  const auto same = [&](auto then, auto wanted, std::string_view flag) {
    require(then == wanted, "{}: the run was started with {} {} but now it is {}; give it as before or start a new --out.", source, flag,
            then, wanted);
  };
  same(checkpoint.network.depth, now.network.depth, "--depth");
  same(checkpoint.network.width, now.network.width, "--width");
  same(checkpoint.network.embedding, now.network.embedding, "--embedding");
  same(size_text(checkpoint.input), size_text(now.input), "--input");
  same(name_of(checkpoint.input.order), name_of(now.input.order), "--channel-order");
  same(checkpoint.input.mean, now.input.mean, "--mean");
  same(checkpoint.input.scale, now.input.scale, "--pixel-scale");
}

std::vector<std::string> changed_settings(std::string_view before, std::string_view now) {
  const auto settings_of = [](std::string_view text) {
    std::map<std::string, std::string> settings;
    std::stringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) {
      const std::size_t equals = line.find(" = ");
      if (!line.starts_with('#') && equals != std::string::npos) settings[line.substr(0, equals)] = line.substr(equals + 3);
    }
    // The list may come from elsewhere: check_resumable holds its paths and labels to those of the checkpoint.
    for (const char* without_effect : {"out", "root", "train-list", "pack", "val-root", "val-pack", "threads", "workers", "cache"}) {
      settings.erase(without_effect);
    }
    return settings;
  };
  std::map<std::string, std::string> then = settings_of(before), wanted = settings_of(now);
  // Configurations from before these settings were have nothing else.
  for (const auto& [key, value] : {std::pair("pixel-scale", "0.0078125"), std::pair("relabel", "false")}) {
    if (wanted.contains(key)) then.try_emplace(key, value);
  }
  std::vector<std::string> changes;
  for (const auto& [key, value] : wanted) {
    const std::string& old = then.try_emplace(key, "not set").first->second;
    if (old != value) changes.push_back(fmt::format("Setting changed since the checkpoint: {} = {}, was {}", key, value, old));
  }
  for (const auto& [key, value] : then) {
    if (!wanted.contains(key)) changes.push_back(fmt::format("Setting changed since the checkpoint: {} is not set, was {}", key, value));
  }
  return changes;
}

}  // namespace amnet
