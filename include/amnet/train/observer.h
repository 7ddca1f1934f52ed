// Who looks at a training run between its steps: a log, a check on people it has not seen,
// checkpoints, a watch for what goes wrong. Each sees the run and what all share there (step,
// meters, what was asked for), and none of the others.
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
#include <string>

namespace amnet {

class TrainRun;
class NonFiniteStep;

/// What may be asked between two steps.
enum class TrainRequest : unsigned char {
  none,
  snapshot,  ///< write a checkpoint and go on
  stop       ///< write a checkpoint and end
};

/// Each is called in the order in which a run has them, but at the end, and after an error, in the
/// opposite one. What one throws ends the run, and is an error of it.
class Observer {
 public:
  virtual ~Observer() = default;

  /// Before anything else. Who has a checkpoint brings the run back to it here (TrainRun::restore).
  virtual void open(TrainRun&) {}
  /// The run is where it is going to begin or go on.
  virtual void start(TrainRun&) {}
  /// Of a run that goes on, before its first step: what was due after the last one, and was cut
  /// short.
  virtual void catch_up(TrainRun&) {}
  virtual void after_step(TrainRun&) {}
  /// Whether something is still to be done that a stop cut short. A run that is stopped then has
  /// not come to its end, after whatever step.
  virtual bool owes(const TrainRun&) const { return false; }
  virtual void finish(TrainRun&, bool /*stopped*/) {}
  /// After an error, which is then thrown on.
  virtual void fail(TrainRun&, const std::exception&) noexcept {}
  /// Keeps what the batch of such a step was, and answers where: "which is in
  /// runs/a/non_finite_batch.json".
  virtual std::string keep_bad_batch(TrainRun&, const NonFiniteStep&) { return {}; }

  /// What a resumed run must know: values under names of its own, for the state of a checkpoint.
  virtual void store(Options& /*state*/) const {}
  /// From such a state, which may be of a run that had no such observer. The trainer is where it
  /// goes on.
  virtual void restore(const TrainRun&, const Options&) {}
};

}  // namespace amnet
