// What observers report (TrainRun::report) as event files of TensorBoard, for the graphs of
// `tensorboard --logdir runs`: the numbers of the log, of verifications, and of a program's own
// observers. Only scalars: no histograms, images or graphs of nets.
//
//   RunLog log("runs/a/train.log", print);
//   StepLog step_log("runs/a", log);
//   TensorBoard board("runs/a", log);
//   train(trainer, {&step_log, &board});
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
#include <span>
#include <string>

namespace amnet {

class LineFile;  // src/train/line_file.h

/// Numbers that are not finite are left out.
class TensorBoard final : public Observer {
 public:
  /// Writes into the sub-folder "tensorboard" of `folder`, which is made where it is missing, from
  /// the first reported number on; each is in the file when it has been reported. A file that
  /// cannot be written, such as on a full disk, does not end a run: the log, which must outlive
  /// this, says so once.
  TensorBoard(const std::filesystem::path& folder, RunLog& log);
  ~TensorBoard() override;
  TensorBoard(const TensorBoard&) = delete;
  TensorBoard& operator=(const TensorBoard&) = delete;

  void reported(const TrainRun& run, std::span<const Reported> numbers) override;
  void restore(const TrainRun& run, const Options& state) override;

 private:
  std::filesystem::path folder_;
  RunLog& log_;
  std::unique_ptr<LineFile> file_;
  std::string head_;             // of the file, until it is written
  std::int64_t first_step_ = 0;  // that this process writes numbers of again
};

}  // namespace amnet
