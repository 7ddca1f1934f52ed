// How a run goes on after its end: which checkpoint it resumes from, what that brings back, and what is written into the next one.
#pragma once

#include <amnet/faces/train_options.h>
#include <amnet/faces/train_state.h>
#include <amnet/io/checkpoint.h>
#include <amnet/io/folder_lock.h>
#include <amnet/model/model_file.h>
#include <amnet/train/run_log.h>
#include <amnet/train/solver.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

class RunCheckpoints {
 public:
  /// What is kept in every checkpoint as it is, unless it is empty.
  struct Texts {
    std::string config;  // the resolved configuration
    std::string labels;  // the table of labels that were numbered anew: faces/face_list.h
  };

  /// All but the texts must outlive this.
  RunCheckpoints(const TrainOptions& options, Texts texts, const ModelDescription& description, Net& net, Solver& solver)
      : options_(options), texts_(std::move(texts)), description_(description), net_(net), solver_(solver) {}

  /// Makes the run's directory, which `lock` is of, ready and takes parameters, momentum and state from the checkpoint that the options ask
  /// for, which is answered, or, for a new run, known parameters from the model that they start from. The log loses what a resumed run will
  /// write again. Throws UsageError for a directory that holds another run, or a checkpoint of one that cannot go on with these settings.
  std::optional<FoundCheckpoint> open(TrainState& state, RunLog& log, const FolderLock& lock);
  /// Settings that have changed since `checkpoint` was written should not go unnoticed.
  void tell_changes(const FoundCheckpoint& checkpoint, RunLog& log) const;

  /// Writes one, points `last` to it, and `best` too where it is, and removes the oldest.
  void save(const TrainState& state, RunLog& log);

  /// The one that was resumed from or written last; empty before.
  const std::filesystem::path& last() const { return last_; }
  /// Whether that is of this state, and --resume auto finds it.
  bool holds(const TrainState& state) const { return stored_ == state && in_out(last_); }

 private:
  std::optional<FoundCheckpoint> find(std::vector<std::string>& notes) const;
  bool in_out(const std::filesystem::path& checkpoint) const;
  void load(const std::filesystem::path& directory, TrainState& state);
  void check_labels(const std::filesystem::path& directory) const;
  void point(std::string_view pointer, std::int64_t step, RunLog& log);
  void restore_pointers(const FoundCheckpoint& checkpoint, const TrainState& state, RunLog& log);
  void start_from_model(RunLog& log);

  const TrainOptions& options_;
  Texts texts_;
  const ModelDescription& description_;
  Net& net_;
  Solver& solver_;
  std::filesystem::path last_;
  std::optional<TrainState> stored_;  // in it
  bool told_pointer_ = false;
};

}  // namespace amnet
