#include "validation.h"

#include "train/duration.h"

#include <amnet/faces/loader.h>
#include <amnet/faces/memory_forecast.h>
#include <amnet/faces/packed_faces.h>
#include <amnet/faces/verification.h>

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <exception>

namespace amnet {

Validation::Validation(const TrainOptions& options, const ModelDescription& description, const Net& net)
    : options_(options), batch_(std::min<std::int64_t>(64, options.batch)), embedder_(description, net, batch_) {
  const BadImages missing = options.skip_bad_images ? BadImages::skip : BadImages::fail;
  if (options.val_pack.empty()) {
    pairs_ = read_pairs(options.val_pairs, options.val_root, missing);
    images_ = image_folder(options.val_root);
  } else {
    const auto pack = std::make_shared<PackedFaces>(options.val_pack);
    pairs_ = read_pairs(options.val_pairs, *pack, missing);
    images_ = pack;
  }
}

std::size_t Validation::plan(const Device& device) {
  const std::size_t planned = embedder_.planned_bytes();
  return (memory_of(device) == Memory::host ? planned : 0) + verification_bytes(pairs_, options_.network.embedding, options_.protocol);
}

bool Validation::due(const TrainState& state, std::int64_t steps) const {
  if (options_.val_every == 0 || state.verified_step == state.step) return false;
  if (state.step == steps) return true;
  return state.step % (options_.val_every > 0 ? options_.val_every : steps_of_epoch(options_, state.images)) == 0;
}

bool Validation::to_come(const TrainState& state, std::int64_t steps) const {
  return options_.val_every != 0 && (state.step < steps || due(state, steps));
}

void Validation::check(RunLog& log, const std::function<void(std::int64_t done)>& progress) {
  FaceList list(images_, options_.val_pairs.string());
  for (std::size_t i = 0; i < pairs_.images.size(); ++i) list.add(pairs_.images[i], 0, pairs_.lines[i]);
  const ReadOptions reading{.batch = 8,  // little beside what a step takes
                            .format = options_.input,
                            .workers = options_.workers,
                            .bad_images = options_.skip_bad_images ? BadImages::skip : BadImages::fail,
                            .on_bad_image = [&](const BadImage& bad) { tell_bad_image(bad.reason, log); }};
  for_each_batch(list, reading, [&](const Batch& batch) { progress(batch.first_sample + batch.labels.count()); });
}

std::string Validation::where(std::size_t image) const {
  return fmt::format("{}:{}: {}", options_.val_pairs.string(), pairs_.lines[image], (images_->place() / pairs_.images[image]).string());
}

void Validation::tell_bad_image(const std::string& reason, RunLog& log) {
  if (told_.insert(reason).second) log.line(fmt::format("Skipped a bad image: {}", reason));
}

std::optional<ValidationRow> Validation::run(Device& device, TrainState& state, MetricsFile& table, RunLog& log,
                                             const std::function<bool()>& go_on) {
  const Stopwatch taken;
  const std::optional<Views> views = embed(device, go_on);
  if (!views) return std::nullopt;
  for (const std::string& reason : views->reasons) tell_bad_image(reason, log);
  const Verification result = verify(pairs_, views->plain, views->mirrored, {.protocol = options_.protocol, .failed = views->failed});
  const ValidationRow row{.step = state.step,
                          .accuracy_mean = result.accuracy_mean,
                          .accuracy_std = result.accuracy_std,
                          .tar_at_far_1 = result.accept_rates.at(0).tar,
                          .tar_at_far_01 = result.accept_rates.at(1).tar};
  table.append(line_of(row));
  state.verified_step = state.step;
  if (row.accuracy_mean > state.best_accuracy) {
    state.best_accuracy = row.accuracy_mean;
    state.best_step = state.step;
  }
  const auto number = [](double percent) { return std::isnan(percent) ? "–" : fmt::format("{:.2f}%", percent); };
  const std::string accuracy = std::isnan(row.accuracy_mean) ? "–" : fmt::format("{:.2f}+-{:.2f}%", row.accuracy_mean, row.accuracy_std);
  const std::string best = state.best_step < 0 ? "–" : fmt::format("{:.2f}% @{}", state.best_accuracy, state.best_step);
  log.line(fmt::format("[val][{}] Accuracy {}  TAR@FAR=1e-2 {}  TAR@FAR=1e-3 {}  Best {}  over {}  failed {}  {}", state.step, accuracy,
                       number(row.tar_at_far_1), number(row.tar_at_far_01), best, pairs_text(result), result.failed_images,
                       duration_text(taken.seconds())));
  for (const std::string& remark : remarks_on(result)) log.line(fmt::format("[val][{}] {}", state.step, remark));
  for (const AcceptRate& rate : result.accept_rates) {
    if (!std::isnan(rate.tar) || result.tells_nothing_apart) continue;
    log.line(fmt::format("[val][{}] No TAR at FAR {:g} %: {}", state.step, 100 * rate.far, rate.note));
  }
  return row;
}

std::optional<Views> Validation::embed(Device& device, const std::function<bool()>& go_on) {
  struct Interrupted : std::exception {};
  const auto progress = [&](std::int64_t, std::int64_t) {
    if (!go_on()) throw Interrupted();
  };
  try {
    return embedder_.embed(device, {.images = images_,
                                    .paths = pairs_.images,
                                    .where = [this](std::size_t i) { return where(i); },
                                    .skip_bad_images = options_.skip_bad_images,
                                    .progress = progress});
  } catch (const Interrupted&) {
    return std::nullopt;
  }
}

}  // namespace amnet
