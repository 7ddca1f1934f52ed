// Checkpoints that survive a crash at any moment. One checkpoint is a directory
// `<run>/step_00000500/` of named files and a MANIFEST.json, written last, with the size and
// XXH3-128 checksum of each. It is built under a temporary name, fsynced and renamed, so that a
// checkpoint exists completely or not at all; later damage by a disk is detected. The content of
// the files is not interpreted. One process writes to a run directory at a time.
//
//   clean_run_directory("runs/a");
//   write_checkpoint("runs/a", step, files);   // once it returns, the checkpoint can be acknowledged
//   std::vector<std::string> notes;            // a sentence for each damaged checkpoint that was skipped
//   if (const auto found = newest_intact("runs/a", notes)) fmt::print("{}\n", found->directory.string());
#pragma once

#include <amnet/io/safetensors.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace amnet {

/// One file of a checkpoint: a plain name such as "model.safetensors", and tensors or text.
struct CheckpointFile {
  std::string name;
  std::variant<SafetensorsFile, std::string> content;
};

/// The moments of write_checkpoint, in order; wrote_file and synced_file come once for each file,
/// the manifest included.
enum class CheckpointStage : unsigned char { begin, wrote_file, synced_file, before_rename, after_rename };

struct CheckpointOptions {
  /// Called at each stage: tests slow the writer here, or throw to see that a failure leaves
  /// nothing behind.
  std::function<void(CheckpointStage)> on_stage;
};

struct FoundCheckpoint {
  std::filesystem::path directory;
  std::int64_t step = 0;
};

/// "step_00000500"; the step has at least eight digits.
std::string checkpoint_name(std::int64_t step);

/// Writes `<run_dir>/step_%08d/` and returns its path once it is on the disk. A checkpoint of the
/// same step is replaced and stays intact until the new one is. On failure the checkpoints there
/// before are still there and what was written is removed. Throws FileError with the path and the
/// system's reason, or UsageError for a negative step or a file name that is given twice or is not
/// made of letters, digits, '.', '_' and '-'.
std::filesystem::path write_checkpoint(const std::filesystem::path& run_dir, std::int64_t step, std::span<const CheckpointFile> files,
                                       const CheckpointOptions& options = {});

/// Reads every byte of a checkpoint against its manifest and returns the step. Files the manifest
/// does not name are left alone. Throws DataError saying what is damaged, FileError when something
/// cannot be read.
std::int64_t verify_checkpoint(const std::filesystem::path& directory);

/// The intact checkpoint of the highest step, or nothing. Adds to `notes` a sentence for each
/// damaged one it skipped.
std::optional<FoundCheckpoint> newest_intact(const std::filesystem::path& run_dir, std::vector<std::string>& notes);

/// Removes all but the `keep` (>= 1) highest steps and returns the names removed. The newest intact
/// checkpoint, those that `last` and `best` point to, and those named in `protect` always stay.
std::vector<std::string> keep_newest(const std::filesystem::path& run_dir, int keep, std::span<const std::string> protect = {});

/// Points `<run_dir>/<pointer>` ("last", "best") to the checkpoint `name`, replaced atomically: a
/// relative symbolic link, or where there are none a file with that one line. Also replaces a
/// complete copy of a checkpoint, which programs that copy a run create in place of a link. Throws
/// FileError for any other folder of that name.
void set_pointer(const std::filesystem::path& run_dir, std::string_view pointer, std::string_view name);
/// The name of the checkpoint a pointer names, whatever its kind, or nothing when there is no such
/// pointer.
std::optional<std::string> read_pointer(const std::filesystem::path& run_dir, std::string_view pointer);
/// `path` with each pointer file in it replaced by what it names: "runs/a/best/model.safetensors"
/// becomes that path in "runs/a/step_00000500". Symbolic links stay.
std::filesystem::path through_pointers(const std::filesystem::path& path);

/// At the start of a run: removes what processes that have ended left half written or half removed,
/// and restores a checkpoint whose replacement was interrupted. `alone`: no other process can be
/// writing checkpoints here (io/folder_lock.h); otherwise, those of other machines stay for a day.
/// Does nothing when run_dir does not exist.
void clean_run_directory(const std::filesystem::path& run_dir, bool alone = false);

/// At the start of a run: creates run_dir, tries in it what a run will do (files, folders,
/// renaming, links, fsync), removes the result, and checks that there is room for two checkpoints
/// of `checkpoint_bytes`. Throws FileError for what a run needs and cannot do, so that it fails in
/// its first second rather than at its first checkpoint. Returns what the file system lacks and the
/// run can do without, each as half a sentence.
std::vector<std::string> probe_run_directory(const std::filesystem::path& run_dir, std::uint64_t checkpoint_bytes);

}  // namespace amnet
