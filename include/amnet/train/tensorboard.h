// The numbers of a run as event files of TensorBoard, for the graphs of `tensorboard --logdir
// runs`. Only scalars: no histograms, images or graphs of nets.
//
//   RunLog log("runs/a/train.log", print);
//   TensorBoard board("runs/a", log, {.every = 20});
//   Checkpoints checkpoints("runs/a", log, {.every = 100});
//   train(trainer, {&board, &checkpoints});
//
// Every process of a run writes a file of its own, which begins with the step from which it goes
// on: TensorBoard then drops what an earlier process wrote of that step and later ones
// (SessionLog START), so that a curve has each step once.
#pragma once

#include <amnet/train/observer.h>
#include <amnet/train/run_log.h>
#include <amnet/train/train_run.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace amnet {

class LineFile;  // src/train/line_file.h

struct TensorBoardOptions {
  std::int64_t every = 20;  ///< steps, and the last one; as StepLogOptions::every where there is a StepLog
};

/// Writes "train/loss" and the trainer's other numbers, those of probes of whole steps among them
/// ("train/gradient_norm"), "train/epoch", "train/learning_rate", "train/samples_per_second" and
/// "train/wait_fraction"; and what other observers report (TrainRun::report), at once, so it is
/// before these in the run's list. Numbers that are not finite are left out.
class TensorBoard final : public Observer {
 public:
  /// Writes into the sub-folder "tensorboard" of `folder`, which is made where it is missing. A
  /// file that cannot be written, such as on a full disk, does not end a run: the log, which must
  /// outlive this, says so once.
  TensorBoard(const std::filesystem::path& folder, RunLog& log, TensorBoardOptions options = {});
  ~TensorBoard() override;
  TensorBoard(const TensorBoard&) = delete;
  TensorBoard& operator=(const TensorBoard&) = delete;

  void start(TrainRun& run) override;
  void after_step(TrainRun& run) override;
  void reported(const TrainRun& run, const std::string& name, double value) override;
  void restore(const TrainRun& run, const Options& state) override;

 private:
  void append(const std::string& record);

  std::filesystem::path folder_;
  RunLog& log_;
  TensorBoardOptions options_;
  std::unique_ptr<LineFile> file_;  // from the start of the run on
  std::string head_;                // of the file, until it is written
  bool resumed_ = false;
};

}  // namespace amnet
