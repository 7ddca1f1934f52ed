#include <amnet/core/duration.h>

#include <amnet/core/text.h>
#include <amnet/kernels/finite.h>
#include <amnet/train/trainer.h>

#include "io/json.h"
#include "model/options_json.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

namespace amnet {
namespace {

TrainerOptions checked(TrainerOptions options) {
  require(options.steps >= 0, "[train] expected .steps of at least 0 but got {}.", options.steps);
  require(options.accumulate >= 1, "[train] expected .accumulate of at least 1 but got {}.", options.accumulate);
  static_cast<void>(options.schedule.at(0));  // a policy without what it needs is reported now
  return options;
}

// Decided by the values, which are zeros at first: a caller that only freezes a parameter has
// filled none.
bool nobody_has_filled(const Net& net) {
  bool untouched = true;
  net.look([&](const std::string&, const Parameter& parameter) {
    if (!untouched || parameter.buffer) return;
    const Tensor value = parameter.value.to(Memory::host);
    untouched = std::all_of(value.raw(), value.raw() + value.size_bytes(), [](std::byte byte) { return byte == std::byte{0}; });
  });
  return untouched;
}

// The net where the device computes, before anything is made for it.
Net& prepared(Device& device, Model& model, std::uint64_t seed) {
  require(!model.roles.loss.empty(), "[train] the model has no loss; say in its roles which value that is.");
  if (nobody_has_filled(model.net)) model.net.initialise(seed);
  if (model.net.memory() != memory_of(device)) model.net.move_to(memory_of(device));
  return model.net;
}

Json parsed(const std::string& state, std::string_view source) {
  try {
    return Json::parse(state);
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("{}: this is no training state ({}).", source, error.what()));
  }
}

template <class T>
T member(const Json& json, const char* name, std::string_view source) {
  try {
    return json.at(name).get<T>();
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("{}: this is no training state ({}).", source, error.what()));
  }
}

std::string sentence_of(std::int64_t step, const std::string& where, const std::string& place) {
  return fmt::format(
      "Step {} is not finite, first of all in {}; lower .learning_rate, add .warm_up, or look at the samples of its batch{}.", step, where,
      place);
}

}  // namespace

NonFiniteStep::NonFiniteStep(std::int64_t step_number, std::string first, Batch bad)
    : NonFiniteError(sentence_of(step_number, first, "")), step(step_number), where(std::move(first)), batch(std::move(bad)) {}

std::string NonFiniteStep::sentence(const std::string& place) const { return sentence_of(step, where, place); }

Trainer::Trainer(Device& device, Model& model, BatchSource& source, TrainerOptions options)
    : device_(device),
      model_(model),
      source_(source),
      options_(checked(std::move(options))),
      solver_(prepared(device, model, options_.seed), options_.solver),
      meters_(numbers_of_batch(model, options_.probes)) {
  static_cast<void>(values_of_step(model, options_.probes));  // a missing role is reported now
}

Plan& Trainer::plan() {
  if (!plan_) {
    std::vector<Value> keep = values_of_step(model_, options_.probes);
    for (const std::string& name : options_.keep) keep.push_back(model_.net.find(name));
    plan_.emplace(model_.net, PlanOptions{.batch = source_.batch(), .loss = model_.loss(), .keep = std::move(keep)});
  }
  return *plan_;
}

std::string Trainer::refusal() const { return passes_ ? passes_->refusal() : std::string(); }

// All of a step's batches, before the first of them changes anything: unusable data then leave the
// state of a complete step.
std::vector<Batch> Trainer::next_batches() {
  const Stopwatch taken;
  const std::int64_t begin = source_.cursor();
  std::vector<Batch> batches;
  try {
    for (std::int64_t micro = 0; micro < options_.accumulate; ++micro) {
      batches.push_back(source_.next());
      passes_->require_usable(batches.back());
    }
  } catch (const std::exception&) {
    source_.seek(begin);  // the step that was not done begins there
    throw;
  }
  clock_.add_wait(taken.seconds());
  return batches;
}

bool Trainer::run_step() {
  if (is_last()) return false;
  if (!passes_) passes_.emplace(device_, model_, plan(), solver_, source_, options_.probes);
  const Stopwatch taken;
  std::vector<Batch> batches = next_batches();
  std::int64_t samples = 0;
  for (const Batch& batch : batches) samples += batch.size();
  within_step_ = true;
  passes_->run(std::move(batches), {.number = step_, .seed = options_.seed}, options_.schedule.at(step_));
  step_ += 1;
  within_step_ = false;
  take(false);
  clock_.add_step(taken.seconds(), samples);
  return true;
}

void Trainer::settle() {
  const Stopwatch taken;
  take(true);
  clock_.add_rest(taken.seconds());
}

// Adds up what steps have reported; with `wait`, all that were begun.
void Trainer::take(bool wait) {
  if (!passes_) return;
  while (std::optional<TrainStep::Told> told = passes_->told(wait)) {
    if (!std::isfinite(told->numbers.front())) {
      within_step_ = true;  // also for any other failure from here on
      const std::string where = passes_->first_non_finite(told->batch, {.number = told->step, .seed = options_.seed});
      throw NonFiniteStep(told->step + 1, where.empty() ? "the loss" : where, std::move(told->batch));
    }
    meters_.add(told->numbers);
    if (told->of_the_step.empty()) told->of_the_step = std::move(latest_.of_the_step);
    told->batch.tensors.clear();  // which samples they were is enough
    latest_ = std::move(*told);
  }
}

double Trainer::latest(std::string_view name) const {
  const auto look_in = [&](const std::vector<std::string>& names, const std::vector<double>& numbers) -> std::optional<double> {
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      if (names[i] == name) return numbers[i];
    }
    return std::nullopt;
  };
  std::optional<double> number = look_in(meters_.names(), latest_.numbers);
  if (!number) number = look_in(numbers_of_step(options_.probes), latest_.of_the_step);
  require(number.has_value(), "[train] no step has told '{}'; steps tell the loss, the metrics of the model, and what probes are for.",
          name);
  return *number;
}

void Trainer::close_interval() {
  meters_.close();
  clock_.start_interval();
}

void Trainer::require_finite() {
  model_.net.look([&](const std::string& name, const Parameter& parameter) {
    const bool finite = on(device_, [&](auto& backend) { return all_finite(backend, parameter.value); });
    if (!finite) throw NonFiniteStep(step_, name, latest_.batch);
  });
}

std::string Trainer::state(const Options& more) const {
  Json json = json_object({{"version", 1},
                           {"step", step_},
                           {"samples", source_.cursor()},
                           {"seed", options_.seed},
                           {"batch", source_.batch()},
                           {"accumulate", options_.accumulate},
                           {"data_fingerprint", source_.fingerprint()}});
  // Files of SGD stay as they were before there was another method.
  if (options_.solver.method != SolverMethod::sgd) json["solver"] = std::string(name_of(options_.solver.method));
  json.update(json_of(source_.facts(), "the source's facts"));
  Json meters = json_object({{"count", meters_.closed() ? 0 : meters_.count()}});
  for (std::size_t i = 0; i < meters_.names().size(); ++i) meters[meters_.names()[i]] = meters_.closed() ? 0.0 : meters_.sums()[i];
  json["meters"] = std::move(meters);
  json.update(json_of(more, "the state"));
  return json_text(sorted_json(json));
}

std::uint64_t seed_of_state(const std::string& state, std::string_view source) {
  return member<std::uint64_t>(parsed(state, source), "seed", source);
}

void Trainer::continue_from(std::int64_t step) {
  require(step >= 0 && step_ == 0, "[train] a training continues from a step >= 0, before its first one, but got {} after {}.", step,
          step_);
  step_ = step;
  source_.seek(step * options_.accumulate * source_.batch());
}

Options Trainer::restore(const std::string& state, std::string_view source) {
  Json json = parsed(state, source);
  const auto version = member<int>(json, "version", source);
  require<DataError>(version == 1, "{}: the state has version {} but this amnet reads version 1.", source, version);
  const auto require_same = [&](std::string_view what, const auto& then, const auto& now, std::string_view remedy) {
    require(then == now, "{}: the run was started with {} {} but now it is {}; {} or begin a new run in another folder.", source, what,
            then, now, remedy);
  };
  require_same("seed", member<std::uint64_t>(json, "seed", source), options_.seed, "give .seed as before");
  require_same("batch", member<std::int64_t>(json, "batch", source), source_.batch(), "give .batch as before");
  require_same("accumulate", member<std::int64_t>(json, "accumulate", source), options_.accumulate, "give .accumulate as before");
  const auto method = json.contains("solver") ? member<std::string>(json, "solver", source) : std::string(name_of(SolverMethod::sgd));
  require_same("the solver", method, name_of(options_.solver.method), "give .solver.method as before");
  const Json facts = json_of(source_.facts(), "the source's facts");
  for (const auto& [name, value] : facts.items()) {
    require_same(name, member<Json>(json, name.c_str(), source).dump(), value.dump(), source_.remedy());
  }
  require(member<std::uint64_t>(json, "data_fingerprint", source) == source_.fingerprint(),
          "{}: the run was started with other data of the same size; {} or begin a new run in another folder.", source, source_.remedy());

  std::vector<double> sums;
  const Json meters = member<Json>(json, "meters", source);
  const std::vector<std::string> names = meters_.names();
  for (const std::string& name : names) sums.push_back(member<double>(meters, name.c_str(), source));
  const auto count = member<std::int64_t>(meters, "count", source), step = member<std::int64_t>(json, "step", source),
             samples = member<std::int64_t>(json, "samples", source);
  for (const char* own : {"version", "step", "samples", "seed", "batch", "accumulate", "data_fingerprint", "meters", "solver"})
    json.erase(own);
  for (const auto& [name, value] : facts.items()) json.erase(name);
  Options more = options_of_json(json, "the state", [&](const std::string& where, std::string_view expected) {
    throw DataError(fmt::format("{}: this is no training state ({} is not {}).", source, where, expected));
  });
  // Everything was there: nothing is restored only in part.
  meters_ = Meters(names, std::move(sums), count);
  step_ = step;
  source_.seek(samples);
  return more;
}

}  // namespace amnet
