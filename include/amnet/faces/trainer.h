// A whole training run: data, steps, verification, checkpoints, resume. What it shows and when it stops is the caller's.
//
//   TrainOptions options{.root = "faces", .out = "runs/a"};
//   Device device = Cpu();
//   TrainOutcome outcome = train(device, options, {.log = [](std::string_view line) { std::puts(std::string(line).c_str()); }});
#pragma once

#include <amnet/core/device.h>
#include <amnet/faces/train_options.h>
#include <amnet/io/folder_lock.h>
#include <amnet/train/meters.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

struct TrainProgress {
  std::int64_t step = 0;
  std::int64_t steps = 0;
  double seconds_left = 0;  ///< from the steps since this process started
  std::string activity;     ///< "training", "verifying", "saving"; "checking", "caching" before the first step, whose steps are images
  Meters meters;            ///< means since the last line of the log
};

/// What the outside may ask between two steps.
enum class TrainRequest : unsigned char {
  none,
  snapshot,  ///< write a checkpoint and go on
  stop       ///< write a checkpoint and return
};

struct TrainHooks {
  std::function<void(std::string_view line)> log = {};  ///< every line of train.log
  std::function<void(const TrainProgress&)> progress = {};
  std::function<TrainRequest()> poll = {};
  std::shared_ptr<FolderLock> lock = {};  ///< of the run's folder, where the caller has locked it already; else the run does
  std::string config = {};                ///< the resolved configuration, kept as config.toml in the run and in every checkpoint
  std::vector<std::string> notes = {};    ///< lines for the beginning of train.log
};

struct TrainOutcome {
  std::int64_t step = 0;
  std::int64_t steps = 0;
  bool stopped = false;                     ///< by a request, before the last step
  Meters meters;                            ///< means since the last line of the log, or of it; count is 0 where no step has told any
  std::optional<ValidationRow> validation;  ///< the last one, also of a run that was resumed
  std::filesystem::path checkpoint;         ///< the last one
};

/// Runs (or resumes) the training that `options` describe on `device` and writes `options.out`: train.log, metrics.csv, validation.csv,
/// environment.json, config.toml, report.html, step_*/ and the links `last` and `best`.
/// Throws UsageError, DataError, FileError (also where another process writes to that folder); MemoryError where a GPU's memory is not
/// enough, with the largest batch that fits; NonFiniteError at the step whose loss is not finite, naming the first layer with such a value,
/// after writing the batch's images to non_finite_batch.json and without writing a checkpoint. The log ends with the reason.
/// Any other error that leaves the state of a whole step behind (a picture, a full disk, a verification) writes a checkpoint of it first.
/// A stop lets the current step end and is asked for again while verifying; a verification that it cuts short comes first after a resume.
/// It also ends the check of the verification's pictures and the filling of a cache, before the first step.
TrainOutcome train(Device& device, const TrainOptions& options, const TrainHooks& hooks);

}  // namespace amnet
