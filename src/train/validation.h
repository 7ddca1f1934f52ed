// What a run verifies itself on: pairs of faces that it does not train with, and the network as it is at that step.
#pragma once

#include <amnet/data/image_source.h>
#include <amnet/eval/embed.h>
#include <amnet/eval/pairs.h>
#include <amnet/train/meters.h>
#include <amnet/train/run_log.h>
#include <amnet/train/train_options.h>
#include <amnet/train/train_state.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace amnet {

class Validation {
 public:
  /// Reads the pairs that the options name. The parameters are those of `net`, where they are. The options must outlive this.
  Validation(const TrainOptions& options, const ModelDescription& description, Net& net);

  std::int64_t batch() const { return batch_; }
  /// What embedding will take of a device's memory, without taking it.
  PlanBytes measure(Device& device) { return embedder_.measure(device); }
  /// Takes the memory of embedding now, and answers what a verification takes of the host's.
  std::size_t plan(const Device& device);

  /// Whether one is due after `state.step`, and has not been yet.
  bool due(const TrainState& state, std::int64_t steps) const;
  /// Verifies, tells the log, and puts the step and a new best into `state`. Where `go_on`, asked between two batches, says no, it ends
  /// there with nothing, and is due as before.
  std::optional<ValidationRow> run(Device& device, TrainState& state, RunLog& log, const std::function<bool()>& go_on);

 private:
  std::optional<Views> embed(Device& device, const std::function<bool()>& go_on);

  const TrainOptions& options_;
  std::int64_t batch_;
  Embedder embedder_;
  std::shared_ptr<const ImageSource> images_;
  Pairs pairs_;
};

}  // namespace amnet
