// Observers act between the steps of a training run: a log, a check on people that it does not
// train with, checkpoints, a watch for training that fails. Each has access to the run and what all
// share there (step, meters, requests), and to none of the others.
//
//   class Printer final : public Observer {
//     void after_step(TrainRun& run) override { fmt::print("{} {}\n", run.trainer().step(), run.trainer().meters()["loss"]); }
//   };
//   Printer printer;
//   train(trainer, {&printer});
#pragma once

#include <amnet/core/options.h>

#include <cstdint>
#include <exception>
#include <span>
#include <string>

namespace amnet {

class TrainRun;
class NonFiniteStep;

/// What may be requested between two steps.
enum class TrainRequest : unsigned char {
  none,
  snapshot,  ///< write a checkpoint and continue
  stop       ///< write a checkpoint and end
};

/// A number that an observer has found, for others to show: "verification/accuracy_mean".
struct Reported {
  std::string name;
  double value = 0;
};

/// Observers are called in the order in which a run has them, but at the end, and after an error,
/// in the opposite order. An exception from one ends the run as an error of the run.
class Observer {
 public:
  virtual ~Observer() = default;

  /// Before anything else. An observer that has a checkpoint restores the run from it here
  /// (TrainRun::restore).
  virtual void open(TrainRun&) {}
  /// The run is at the point where it begins or continues.
  virtual void start(TrainRun&) {}
  /// In a resumed run, before its first step: does what was due after the last step and was
  /// interrupted.
  virtual void catch_up(TrainRun&) {}
  virtual void after_step(TrainRun&) {}
  /// An observer has found numbers of the step that the run is at (TrainRun::report).
  virtual void reported(const TrainRun&, std::span<const Reported>) {}
  /// Whether work remains that a stop interrupted. A run that is stopped then has not reached its
  /// end, even after its last step.
  virtual bool owes(const TrainRun&) const { return false; }
  virtual void finish(TrainRun&, bool /*stopped*/) {}
  /// After an error, which is rethrown after that.
  virtual void fail(TrainRun&, const std::exception&) noexcept {}
  /// Stores which samples were in the batch of such a step, and returns where: "which is in
  /// runs/a/non_finite_batch.json".
  virtual std::string keep_bad_batch(TrainRun&, const NonFiniteStep&) { return {}; }

  /// What a resumed run needs: values under names of its own, for the state of a checkpoint.
  virtual void store(Options& /*state*/) const {}
  /// Reads such a state, which may be of a run that had no such observer. The trainer is at the
  /// step where it continues.
  virtual void restore(const TrainRun&, const Options&) {}
};

}  // namespace amnet
