// Steps of training, of any net on any source of batches: with a schedule, and a state from which
// they continue with the same bytes. What happens between steps (a log, checkpoints) is done by the
// observers of a run: train/train_run.h. Training on faces is one recipe that uses both.
//
//   TensorSource source({{"points", points}, {"labels", labels}}, {.batch = 64});
//   Trainer trainer(device, model, source, {.steps = 1000, .schedule = {.base = 0.1}});
//   while (trainer.run_step()) {
//   }
//   fmt::print("{}\n", trainer.meters()["loss"]);   // the mean of all steps
#pragma once

#include <amnet/train/batch_source.h>
#include <amnet/train/meters.h>
#include <amnet/train/schedule.h>
#include <amnet/train/solver.h>
#include <amnet/train/step_clock.h>
#include <amnet/train/train_step.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

struct TrainerOptions {
  std::int64_t steps = 1000;    ///< of the whole training, those before a resume among them
  std::int64_t accumulate = 1;  ///< batches summed into one step, gradients times 1/accumulate
  Schedule schedule = {};
  SolverOptions solver = {};
  std::uint64_t seed = 1;  ///< of dropout, and of the parameters of a net that is not filled yet
  Probes probes = {};
  std::vector<std::string> keep = {};  ///< further values that may be read after a step, by name
};

/// A step whose loss, or a parameter after it, is not finite.
class NonFiniteStep : public NonFiniteError {
 public:
  NonFiniteStep(std::int64_t step_number, std::string first, Batch bad);

  /// what(), followed by where the batch is: ", which are in runs/a/non_finite_batch.json".
  std::string sentence(const std::string& place) const;

  std::int64_t step;  ///< counts from 1
  std::string where;  ///< the first layer or parameter with such a value
  Batch batch;        ///< of the step; its tensors may be gone
};

class Trainer {
 public:
  /// Moves the model's net to where the device computes; all three must outlive this. Draws the
  /// parameters from the seed where all of them are still zero. Throws UsageError for a model
  /// without a loss or without what a probe reads, and options out of range.
  Trainer(Device& device, Model& model, BatchSource& source, TrainerOptions options);

  /// One update; false, and nothing done, after the last. Throws DataError for a batch that cannot
  /// be used, before it changes anything; NonFiniteStep, on a GPU up to two steps late.
  bool run_step();
  /// Waits for the numbers of all steps that were begun.
  void settle();

  // --- looking ----------------------------------------------------------------------------------------------

  /// Updates done.
  std::int64_t step() const { return step_; }
  bool is_last() const { return step_ >= options_.steps; }
  /// Passes over the data.
  double epoch() const { return static_cast<double>(source_.cursor()) / static_cast<double>(source_.epoch()); }
  /// Of the last step.
  double learning_rate() const { return options_.schedule.at(step_ > 0 ? step_ - 1 : 0); }
  /// Means of what micro-batches have reported ("loss", the metrics, those of probes) since
  /// close_interval().
  const Meters& meters() const { return meters_; }
  /// One of these numbers, or one of a whole step, from the last one that has reported it. Throws
  /// UsageError for an unknown name.
  double latest(std::string_view name) const;
  /// The samples of the last micro-batch that has reported its numbers.
  const std::vector<std::int64_t>& latest_samples() const { return latest_.batch.samples; }
  const StepClock& clock() const { return clock_; }
  /// The means, and the clock's interval, start again with the next step.
  void close_interval();

  Device& device() const { return device_; }
  Model& model() { return model_; }
  const Model& model() const { return model_; }
  const BatchSource& source() const { return source_; }
  const TrainerOptions& options() const { return options_; }
  Solver& solver() { return solver_; }
  /// The plan that trains. It takes its memory when it is first requested, or at the first step.
  Plan& plan();
  /// Why a GPU launches steps kernel by kernel; mostly empty.
  std::string refusal() const;

  // --- state ------------------------------------------------------------------------------------------------

  /// Whether parameters and momentum are those of step(): false after an error in the middle of a
  /// step.
  bool whole() const { return !within_step_; }
  /// Throws NonFiniteStep that names the first parameter which is not finite.
  void require_finite();
  /// Everything besides tensors that a resume must restore, as JSON: step, cursor, meters, which
  /// are complete after settle(). `more` is kept with it, under its own names.
  std::string state(const Options& more = {}) const;
  /// Continues from such a state; the caller restores its tensors. Returns what was kept with it.
  /// Throws DataError naming `source` for a text that is not a state, UsageError where the training
  /// was started with other data, or settings that its steps depend on.
  Options restore(const std::string& state, std::string_view source);
  /// Continues as after so many steps, whose parameters and moments the caller has brought from
  /// elsewhere: a snapshot of another program. The source continues behind what they would have
  /// read.
  void continue_from(std::int64_t step);

 private:
  std::vector<Batch> next_batches();
  void take(bool wait);

  Device& device_;
  Model& model_;
  BatchSource& source_;
  TrainerOptions options_;
  Solver solver_;
  std::optional<Plan> plan_;
  std::optional<TrainStep> passes_;
  std::int64_t step_ = 0;
  Meters meters_;
  TrainStep::Told latest_;  // without its tensors
  StepClock clock_;
  bool within_step_ = false;
};

/// The seed of a state that Trainer::state() wrote. Throws DataError naming `source` for a text
/// that is not a state.
std::uint64_t seed_of_state(const std::string& state, std::string_view source);

}  // namespace amnet
