// One training step on a device: the transfer of batches, both passes of each, the update, and the
// numbers that are returned. A GPU gets the next step before the numbers of the last ones have
// arrived, so nothing waits; on a CPU they are available at once. A trainer (train/trainer.h) does
// this in a loop; a program can write its own loop.
//
// A loss that is not finite sets a flag where the device computes, and while the flag is set, later
// updates change nothing. The host may therefore notice late: the parameters are still those that
// the bad batch was computed with.
//
//   Plan plan(model.net, {.batch = 20, .loss = model.loss(), .keep = values_of_step(model, {})});
//   Solver solver(model.net, {});
//   TrainStep step(device, model, plan, solver, source);
//   for (std::int64_t number = 0; number < 100; ++number) {
//     step.run({source.next()}, {.number = number, .seed = 1}, 0.1);
//     while (const auto told = step.told()) fmt::print("{}\n", told->numbers[0]);   // the loss
//   }
#pragma once

#include <amnet/kernels/replay.h>
#include <amnet/kernels/transfer.h>
#include <amnet/train/batch_source.h>
#include <amnet/train/probe.h>
#include <amnet/train/solver.h>

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace amnet {

using Probes = std::vector<std::shared_ptr<const Probe>>;

/// The values that a plan for a step must keep: loss, metrics, and what the probes read.
std::vector<Value> values_of_step(const Model& model, const Probes& probes);
/// Names of the numbers that a micro-batch reports: "loss", the metrics, and those of probes after
/// its forward pass.
std::vector<std::string> numbers_of_batch(const Model& model, const Probes& probes);
/// Names of those that a step reports: of probes before its update.
std::vector<std::string> numbers_of_step(const Probes& probes);

class TrainStep {
 public:
  /// All of it must outlive the step; `plan` is for the model's loss and keeps values_of_step().
  TrainStep(Device& device, const Model& model, Plan& plan, Solver& solver, const BatchSource& source, Probes probes = {});

  /// Throws DataError for a batch with a label out of range, UsageError for one with more samples
  /// than the plan has, or whose tensors have another number of samples.
  void require_usable(const Batch& batch) const;
  /// Forward and backward of each batch, gradients added up, and the update, by their mean. The
  /// batches are usable.
  void run(std::vector<Batch> micro_batches, Step step, double learning_rate);

  /// The numbers of one micro-batch.
  struct Told {
    Batch batch;
    std::int64_t step = 0;        ///< Step::number
    std::vector<double> numbers;  ///< as numbers_of_batch()
    /// as numbers_of_step(); empty except for the last micro-batch of a step
    std::vector<double> of_the_step;
  };
  /// The numbers of the oldest micro-batch that were not returned yet; nothing while the device may
  /// still be working on it, unless `wait`.
  std::optional<Told> told(bool wait = false);

  /// Why a GPU launches kernel by kernel what it could repeat from a recording; empty where it does
  /// not.
  std::string refusal() const;
  /// Runs the forward pass of a batch again, layer by layer: the first value that is not finite
  /// (net/plan.h).
  std::string first_non_finite(const Batch& batch, Step step);

 private:
  struct Begun {
    Batch batch;
    std::int64_t step;
    bool ends_step;
  };

  void bring(const Batch& batch);
  void passes(const Batch& batch, Step step, bool first, bool last);
  void look(Probe::Moment moment, std::int64_t step, std::int64_t samples);

  Device& device_;
  const Model& model_;
  Plan& plan_;
  Solver& solver_;
  const BatchSource& source_;
  Probes probes_;
  std::vector<Tensor> probed_;  // the numbers of each probe
  std::unique_ptr<Upload> upload_;
  std::unique_ptr<Results> results_;
  // the passes of a micro-batch: by whether it is a step's first, and its last
  std::array<std::unique_ptr<Replay>, 4> recorded_;
  Tensor halted_;            // u8 (1)
  std::deque<Begun> begun_;  // micro-batches whose numbers are still to come
};

}  // namespace amnet
