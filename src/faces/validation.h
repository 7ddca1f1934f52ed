// What a run verifies itself on: pairs of faces that it does not train with, and the network as it is at that step.
#pragma once

#include <amnet/data/image_source.h>
#include <amnet/faces/pairs.h>
#include <amnet/faces/train_options.h>
#include <amnet/faces/train_state.h>
#include <amnet/model/embed.h>
#include <amnet/train/meters.h>
#include <amnet/train/run_log.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace amnet {

class Validation {
 public:
  /// Reads the pairs that the options name. The parameters are those of `net`, where they are. The options must outlive this.
  Validation(const TrainOptions& options, const ModelDescription& description, const Net& net);

  std::int64_t batch() const { return batch_; }
  /// Pictures that the pairs name.
  std::int64_t images() const { return static_cast<std::int64_t>(pairs_.images.size()); }
  /// What embedding will take of a device's memory, without taking it.
  PlanBytes measure(Device& device) const { return embedder_.measure(device); }
  /// Takes the memory of embedding now, and answers what a verification takes of the host's.
  std::size_t plan(const Device& device);

  /// Whether one is due after `state.step`, and has not been yet.
  bool due(const TrainState& state, std::int64_t steps) const;
  /// Whether one is due in the rest of the run.
  bool to_come(const TrainState& state, std::int64_t steps) const;
  /// Decodes every picture once: throws DataError for the first that cannot be used, or tells the log of all where they are to be skipped.
  /// `progress` is told the pictures done, and may throw to end it.
  void check(RunLog& log, const std::function<void(std::int64_t done)>& progress);
  /// Verifies, adds a row to `table`, puts the step and a new best into `state` and tells the log. Where `go_on`, asked between two
  /// batches, says no, it ends there with nothing, and is due as before, as it is after an error.
  std::optional<ValidationRow> run(Device& device, TrainState& state, MetricsFile& table, RunLog& log, const std::function<bool()>& go_on);

 private:
  std::string where(std::size_t image) const;
  void tell_bad_image(const std::string& reason, RunLog& log);
  std::optional<Views> embed(Device& device, const std::function<bool()>& go_on);

  const TrainOptions& options_;
  std::int64_t batch_;
  Embedder embedder_;
  std::shared_ptr<const ImageSource> images_;
  Pairs pairs_;
  std::set<std::string> told_;  // of bad images, each once in a run
};

}  // namespace amnet
