// The log of a run, for people and for programs: every so many steps a line of train.log and a row
// of metrics.csv.
//
//   RunLog log("runs/a/train.log", print);
//   StepLog step_log("runs/a", log, {.every = 20});
//   train(trainer, {&step_log});
#pragma once

#include <amnet/train/observer.h>
#include <amnet/train/run_log.h>
#include <amnet/train/table_file.h>
#include <amnet/train/train_run.h>

#include <amnet/core/duration.h>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace amnet {

struct StepLogOptions {
  std::int64_t every = 20;  ///< steps; the last one, too
  /// The numbers in their order, for a person: "Loss 3.1234 Accuracy 12.5%". Empty: each name with
  /// its mean.
  std::function<std::string(const Meters& means)> words = {};
};

/// metrics.csv has the columns step, epoch, the trainer's numbers ("loss", the metrics, those of
/// probes after the forward pass), learning_rate, samples_per_second, wait_fraction. These, and the
/// numbers of probes of whole steps, are reported under their names behind "train/"
/// (TrainRun::report).
class StepLog final : public Observer {
 public:
  /// Writes into `folder`, which is made where it is missing. The log must outlive this.
  StepLog(std::filesystem::path folder, RunLog& log, StepLogOptions options = {});

  void start(TrainRun& run) override;
  void after_step(TrainRun& run) override;
  void finish(TrainRun& run, bool stopped) override;

  /// The means of the last line, also of a run that was resumed; count 0 where there is none.
  const Meters& last() const { return last_; }

 private:
  std::filesystem::path folder_;
  RunLog& log_;
  StepLogOptions options_;
  std::optional<TableFile> table_;
  Meters last_;
  Stopwatch watch_;  // since the start
  bool told_refusal_ = false;
};

/// Whether a line is due after the step that the trainer is at.
bool log_is_due(const Trainer& trainer, std::int64_t every);

}  // namespace amnet
