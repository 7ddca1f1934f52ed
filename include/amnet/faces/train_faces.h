// The recipe of this project as one call: faces in a folder, a list or a packed file, the network,
// a head, and a run with log, verification, checkpoints and report. It is built from parts that can
// also be combined in other ways: faces/face_source.h, faces/heads.h, faces/verifier.h,
// train/train_run.h.
//
//   FaceTraining options{.root = {"faces"}, .network = {.depth = 4, .width = 0.25}, .batch = 8, .iterations = 10, .out = "runs/a"};
//   Device device = Cpu();
//   const TrainOutcome outcome = train_faces(device, options, {.log = [](std::string_view line) { fmt::print("{}\n", line); }});
//   fmt::print("loss {} after {} steps\n", outcome.meters["loss"], outcome.step);
#pragma once

#include <amnet/core/device.h>
#include <amnet/faces/face_training.h>
#include <amnet/faces/validation_table.h>
#include <amnet/io/folder_lock.h>
#include <amnet/train/train_run.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

struct FaceHooks {
  std::function<void(std::string_view line)> log = {};  ///< every line of train.log
  std::function<void(const TrainProgress&)> progress = {};
  std::function<TrainRequest()> poll = {};
  /// of the log, for a program that has other words for the fields of options
  std::function<std::string(std::string_view)> wording = {};
  /// of the run's folder, where the caller has locked it already; else the run does
  std::shared_ptr<FolderLock> lock = {};
  /// the resolved configuration, kept as config.toml in the run and in every checkpoint
  std::string config = {};
  std::vector<std::string> notes = {};  ///< lines for the beginning of train.log
};

struct TrainOutcome {
  std::int64_t step = 0;
  std::int64_t steps = 0;
  bool stopped = false;  ///< by a request, before the last step
  /// means since the last line of the log, or of it; count is 0 where no step has reported any
  Meters meters;
  std::optional<ValidationRow> validation;  ///< the last one, also of a run that was resumed
  std::filesystem::path checkpoint;         ///< the last one
};

/// Runs (or resumes) the training that `options` describe on `device` and writes `options.out`:
/// train.log, metrics.csv, validation.csv, environment.json, config.toml, report.html, step_*/ and
/// the links `last` and `best`; with augmentation also augmented.jpg, examples of it. Throws
/// UsageError, DataError, FileError (also where another process writes to that folder); MemoryError
/// where a GPU's memory is not enough, with the largest batch that fits; NonFiniteError at the step
/// whose loss is not finite, naming the first layer with such a value, after writing the batch's
/// images to non_finite_batch.json and without writing a checkpoint. The log ends with the reason.
/// Any other error after which the state of a complete step exists (a picture, a full disk, a
/// verification) writes a checkpoint of it first. A stop request takes effect after the current
/// step, and also during a verification; a verification that it interrupts is done first after a
/// resume. It also ends the check of the verification's pictures and the filling of a cache, before
/// the first step.
TrainOutcome train_faces(Device& device, const FaceTraining& options, const FaceHooks& hooks = {});

}  // namespace amnet
