// The observers that only the recipe has: what a run on faces reports before its first step, the
// cache of its images, its page.
#pragma once

#include <amnet/faces/device_forecast.h>
#include <amnet/faces/face_source.h>
#include <amnet/faces/face_training.h>
#include <amnet/faces/train_faces.h>
#include <amnet/faces/verifier.h>
#include <amnet/train/checkpoints.h>
#include <amnet/train/observer.h>
#include <amnet/train/run_log.h>

#include <cstddef>
#include <optional>

namespace amnet {

/// A run as input of the forecast of a GPU's memory.
DeviceRun device_run(const FaceTraining& options, Trainer& trainer, const FaceSource& source, const std::optional<Verifier>& verifier);

/// Checks the memory before it is taken, starts a new run from a model where the options name one,
/// and writes the first lines.
class FaceOpening final : public Observer {
 public:
  struct Run {
    const FaceTraining& options;
    const FaceHooks& hooks;
    const FaceSource& source;
    const Checkpoints& checkpoints;
    std::optional<Verifier>& verifier;
    const ChosenRates& rates;
    std::size_t device_free = 0;  // of a GPU's memory, before the run took any
  };

  FaceOpening(RunLog& log, Run run) : log_(log), run_(run) {}

  void start(TrainRun& run) override;

 private:
  void start_from_model(Trainer& trainer);
  void write_files(std::int64_t step);

  RunLog& log_;
  Run run_;
};

/// Decodes the training set into the memory of the device that trains.
class ImageCacheFiller final : public Observer {
 public:
  ImageCacheFiller(RunLog& log, FaceSource& source) : log_(log), source_(source) {}
  void start(TrainRun& run) override;

 private:
  RunLog& log_;
  FaceSource& source_;
};

/// Writes report.html at the end of a run, also after an error.
class FaceReport final : public Observer {
 public:
  explicit FaceReport(std::filesystem::path folder) : folder_(std::move(folder)) {}
  void finish(TrainRun&, bool stopped) override;
  void fail(TrainRun& run, const std::exception& error) noexcept override;

 private:
  std::filesystem::path folder_;
};

}  // namespace amnet
