#include <amnet/core/duration.h>
#include <amnet/faces/loader.h>
#include <amnet/faces/memory_forecast.h>
#include <amnet/faces/packed_faces.h>
#include <amnet/faces/verifier.h>

#include <fmt/format.h>

#include <cmath>
#include <exception>
#include <utility>

namespace amnet {
namespace {

struct Interrupted : std::exception {};

template <class T>
T entry(const Options& state, std::string_view name, T fallback) {
  const OptionValue* found = state.find(name);
  const T* value = found != nullptr ? std::get_if<T>(&found->value) : nullptr;
  return value != nullptr ? *value : fallback;
}

}  // namespace

Verifier::Verifier(std::filesystem::path folder, const Model& model, RunLog& log, VerifierOptions options)
    : folder_(std::move(folder)), log_(log), options_(std::move(options)), embedder_(model.net, model.roles, options_.batch) {
  const BadImages missing = options_.skip_bad_images ? BadImages::skip : BadImages::fail;
  if (options_.pack.empty()) {
    pairs_ = read_pairs(options_.pairs, options_.root, missing);
    images_ = image_folder(options_.root);
  } else {
    const auto pack = std::make_shared<PackedFaces>(options_.pack);
    pairs_ = read_pairs(options_.pairs, *pack, missing);
    images_ = pack;
  }
}

std::size_t Verifier::plan(const Device& device) {
  const std::size_t planned = embedder_.planned_bytes();
  return (memory_of(device) == Memory::host ? planned : 0) + verification_bytes(pairs_, embedder_.size(), options_.protocol);
}

void Verifier::start(TrainRun& run) {
  std::error_code told_by_table;  // if the folder cannot be created, the table reports it
  std::filesystem::create_directories(folder_, told_by_table);
  const std::filesystem::path path = folder_ / "validation.csv";
  table_.emplace(path, validation_columns(), verified_step_, [this](std::string_view fault) { log_.line(fault); });
  if (const std::vector<ValidationRow> rows = read_validation(path); !rows.empty()) last_ = rows.back();
  const bool one_comes = options_.every != 0 && (!run.trainer().is_last() || owes(run));
  if (one_comes && !check_images(run)) run.ask(TrainRequest::stop);
}

bool Verifier::check_images(TrainRun& run) {
  FaceList list(images_, options_.pairs.string());
  for (std::size_t i = 0; i < pairs_.images.size(); ++i) list.add(pairs_.images[i], 0, pairs_.lines[i]);
  const ReadOptions reading{.batch = 8,  // little compared with what a step takes
                            .format = embedder_.format(),
                            .workers = options_.workers,
                            .bad_images = options_.skip_bad_images ? BadImages::skip : BadImages::fail,
                            .on_bad_image = [&](const BadImage& bad) { tell_bad_image(bad.reason); }};
  const Stopwatch taken;
  try {
    for_each_batch(list, reading, [&](const FaceBatch& batch) {
      if (!run.show_work("checking", batch.first_sample + batch.labels.count(), list.size(), taken.seconds())) throw Interrupted();
    });
    return true;
  } catch (const Interrupted&) {
    return false;
  }
}

bool Verifier::owes(const TrainRun& run) const {
  const Trainer& trainer = run.trainer();
  if (options_.every == 0 || verified_step_ == trainer.step()) return false;
  return trainer.is_last() || trainer.step() % options_.every == 0;
}

void Verifier::catch_up(TrainRun& run) {
  if (owes(run)) verify_now(run);
}

void Verifier::after_step(TrainRun& run) {
  if (!owes(run)) return;
  verify_now(run);
  if (run.best_step() == run.trainer().step()) run.ask(TrainRequest::snapshot);
}

void Verifier::store(Options& state) const {
  state.set("verified_step", {verified_step_});
  state.set("best_accuracy", {best_accuracy_});
}

void Verifier::restore(const TrainRun& run, const Options& state) {
  verified_step_ = entry<std::int64_t>(state, "verified_step", run.trainer().step());
  best_accuracy_ = entry<double>(state, "best_accuracy", -1);
}

std::string Verifier::where(std::size_t image) const {
  return fmt::format("{}:{}: {}", options_.pairs.string(), pairs_.lines[image], (images_->place() / pairs_.images[image]).string());
}

void Verifier::tell_bad_image(const std::string& reason) {
  if (told_.insert(reason).second) log_.line(fmt::format("Skipped a bad image: {}", reason));
}

// A stop cuts it short; the resumed run then begins with it.
void Verifier::verify_now(TrainRun& run) {
  run.trainer().settle();
  const Stopwatch taken;
  const std::optional<Views> views = embed(run);
  if (!views) return;
  for (const std::string& reason : views->reasons) tell_bad_image(reason);
  const Verification result = verify(pairs_, views->plain, views->mirrored, {.protocol = options_.protocol, .failed = views->failed});
  const std::int64_t step = run.trainer().step();
  const ValidationRow row{.step = step,
                          .accuracy_mean = result.accuracy_mean,
                          .accuracy_std = result.accuracy_std,
                          .tar_at_far_1 = result.accept_rates.at(0).tar,
                          .tar_at_far_01 = result.accept_rates.at(1).tar};
  table_->append(line_of(row));
  run.report({{"verification/accuracy_mean", row.accuracy_mean},
              {"verification/accuracy_std", row.accuracy_std},
              {"verification/tar_at_far_1_percent", row.tar_at_far_1},
              {"verification/tar_at_far_0.1_percent", row.tar_at_far_01}});
  last_ = row;
  verified_step_ = step;
  if (row.accuracy_mean > best_accuracy_) {
    best_accuracy_ = row.accuracy_mean;
    run.set_best_step(step);
  }
  const auto number = [](double percent) { return std::isnan(percent) ? "–" : fmt::format("{:.2f}%", percent); };
  const std::string accuracy = std::isnan(row.accuracy_mean) ? "–" : fmt::format("{:.2f}+-{:.2f}%", row.accuracy_mean, row.accuracy_std);
  const std::string best = run.best_step() < 0 ? "–" : fmt::format("{:.2f}% @{}", best_accuracy_, run.best_step());
  log_.line(fmt::format("[val][{}] Accuracy {}  TAR@FAR=1e-2 {}  TAR@FAR=1e-3 {}  Best {}  over {}  failed {}  {}", step, accuracy,
                        number(row.tar_at_far_1), number(row.tar_at_far_01), best, pairs_text(result), result.failed_images,
                        duration_text(taken.seconds())));
  for (const std::string& remark : remarks_on(result)) log_.line(fmt::format("[val][{}] {}", step, remark));
  for (const AcceptRate& rate : result.accept_rates) {
    if (!std::isnan(rate.tar) || result.tells_nothing_apart) continue;
    log_.line(fmt::format("[val][{}] No TAR at FAR {:g} %: {}", step, 100 * rate.far, rate.note));
  }
}

std::optional<Views> Verifier::embed(TrainRun& run) {
  const auto progress = [&](std::int64_t, std::int64_t) {
    run.show("verifying");
    if (run.poll() == TrainRequest::stop) throw Interrupted();
  };
  try {
    return embedder_.embed(run.trainer().device(), {.images = images_,
                                                    .paths = pairs_.images,
                                                    .where = [this](std::size_t i) { return where(i); },
                                                    .skip_bad_images = options_.skip_bad_images,
                                                    .workers = options_.workers,
                                                    .progress = progress});
  } catch (const Interrupted&) {
    return std::nullopt;
  }
}

}  // namespace amnet
