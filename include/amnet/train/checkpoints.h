// Checkpoints of a run, and how it resumes from one: each is a folder `step_00001000` of the model,
// the momentum and the state (io/checkpoint.h); `last` and `best` point to two of them.
//
//   Checkpoints checkpoints("runs/a", log, {.every = 1000});
//   train(trainer, {&checkpoints});   // begins, or goes on from the newest intact checkpoint in runs/a
#pragma once

#include <amnet/io/checkpoint.h>
#include <amnet/io/folder_lock.h>
#include <amnet/train/observer.h>
#include <amnet/train/run_log.h>
#include <amnet/train/train_run.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// A text file that every checkpoint contains unchanged.
struct KeptText {
  std::string name, content;
  /// Why a run must not resume from a checkpoint whose file differs; empty: it may.
  std::string must_stay = {};
};

struct CheckpointsOptions {
  /// steps; also at the end, on request, and where an error leaves the state of a complete step
  std::int64_t every = 1000;
  int keep = 3;  ///< the newest so many stay, and the best
  /// "auto": resumes from the newest intact checkpoint of the folder, if it has one; "": a new run,
  /// which refuses a folder that has one; else the checkpoint to resume from.
  std::string resume = "auto";
  std::vector<KeptText> texts = {};
  std::shared_ptr<FolderLock> lock = {};  ///< of the folder, where the caller has locked it already
};

class Checkpoints final : public Observer {
 public:
  /// Creates and locks the folder. The log must outlive this. Throws FileError where another
  /// process writes there.
  Checkpoints(std::filesystem::path folder, RunLog& log, CheckpointsOptions options = {});

  /// Throws UsageError for a folder that holds another run, or a checkpoint that does not match
  /// these settings; DataError for a damaged one; FileError.
  void open(TrainRun& run) override;
  void catch_up(TrainRun& run) override;
  void after_step(TrainRun& run) override;
  void finish(TrainRun& run, bool stopped) override;
  /// Saves the state of the last complete step, and logs that; after numbers that are not finite or
  /// the failure of a device there is no state to save.
  void fail(TrainRun& run, const std::exception& error) noexcept override;
  std::string keep_bad_batch(TrainRun& run, const NonFiniteStep& error) override;

  /// The one that was resumed from or written last; empty before.
  const std::filesystem::path& last() const { return last_; }
  /// The checkpoint that the run resumes from; nothing for a new run.
  const std::optional<FoundCheckpoint>& resumed() const { return resumed_; }

 private:
  std::optional<FoundCheckpoint> find(std::vector<std::string>& notes) const;
  void load(TrainRun& run, const std::filesystem::path& checkpoint, std::vector<std::string>& notes);
  void load_tensors_of(Trainer& trainer, const std::filesystem::path& checkpoint, std::vector<std::string>& notes);
  void save(TrainRun& run);
  bool holds(const TrainRun& run) const;
  bool in_folder(const std::filesystem::path& checkpoint) const;
  void point(std::string_view pointer, std::int64_t step);

  std::filesystem::path folder_;
  RunLog& log_;
  CheckpointsOptions options_;
  std::optional<FoundCheckpoint> resumed_;
  std::filesystem::path last_;
  std::string stored_;   // the state in it; empty before the first
  bool opened_ = false;  // the run is at its start: an error from here on is one of a run
  bool told_pointer_ = false;
};

}  // namespace amnet
