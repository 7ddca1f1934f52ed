// Verification while training: an observer that checks, every so many steps, how well the net
// distinguishes people that it does not train with.
//
//   Verifier verifier("runs/a", model, log, {.pairs = "pairs.txt", .root = "faces", .every = 500});
//   train(trainer, {&step_log, &verifier, &checkpoints});   // a best one gets a checkpoint of its own
#pragma once

#include <amnet/faces/pairs.h>
#include <amnet/faces/validation_table.h>
#include <amnet/faces/verification.h>
#include <amnet/model/embed.h>
#include <amnet/train/observer.h>
#include <amnet/train/run_log.h>
#include <amnet/train/table_file.h>
#include <amnet/train/train_run.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace amnet {

struct VerifierOptions {
  std::filesystem::path pairs;      ///< faces/pairs.h
  std::filesystem::path root = {};  ///< the folder of their images
  std::filesystem::path pack = {};  ///< a packed file of them instead
  Protocol protocol = Protocol::amsoftmax;
  std::int64_t every = 0;  ///< steps, and the last one; 0: never
  std::int64_t batch = 64;
  int workers = default_workers();
  bool skip_bad_images = false;  ///< else a bad image ends the run before its first step
};

class Verifier final : public Observer {
 public:
  /// Reads the pairs, and writes validation.csv into `folder`, which is created if it is missing.
  /// The model, whose net is used in its current state at each verification, and the log must
  /// outlive this.
  Verifier(std::filesystem::path folder, const Model& model, RunLog& log, VerifierOptions options);

  /// Decodes every picture once: one that cannot be used ends the run now, and not after hours of
  /// training.
  void start(TrainRun& run) override;
  void catch_up(TrainRun& run) override;
  void after_step(TrainRun& run) override;
  bool owes(const TrainRun& run) const override;
  void store(Options& state) const override;
  void restore(const TrainRun& run, const Options& state) override;

  /// The last one, also of a run that was resumed.
  const std::optional<ValidationRow>& last() const { return last_; }

  std::int64_t batch() const { return options_.batch; }
  /// The device memory that embedding will take, without taking it.
  PlanBytes measure(Device& device) const { return embedder_.measure(device); }
  /// Takes the memory for embedding now, and returns the host memory that a verification takes.
  std::size_t plan(const Device& device);

 private:
  bool check_images(TrainRun& run);
  void verify_now(TrainRun& run);
  std::optional<Views> embed(TrainRun& run);
  std::string where(std::size_t image) const;
  void tell_bad_image(const std::string& reason);

  std::filesystem::path folder_;
  RunLog& log_;
  VerifierOptions options_;
  Embedder embedder_;
  std::shared_ptr<const ImageSource> images_;
  Pairs pairs_;
  std::set<std::string> told_;  // of bad images, each once in a run
  std::optional<TableFile> table_;
  std::optional<ValidationRow> last_;
  std::int64_t verified_step_ = -1;  // of the last verification that was completed
  double best_accuracy_ = -1;        // percent
};

}  // namespace amnet
