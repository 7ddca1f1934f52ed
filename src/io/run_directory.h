// The names within a run directory: checkpoints, and the hidden names of what is on its way in or out.
#pragma once

#include <amnet/io/checkpoint.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

namespace amnet {

/// Why a path has a hidden name: `.step_00000500.tmp-1234`, with the number of the process.
enum class Hidden : unsigned char {
  temporary,  ///< "tmp": being written
  removed,    ///< "gone": being removed
  set_aside   ///< "old": a whole checkpoint that is being replaced
};
std::filesystem::path hidden_path(const std::filesystem::path& path, Hidden why);

/// The step of a name that checkpoint_name gives.
std::optional<std::int64_t> step_of(std::string_view name);

/// The checkpoints of a run, intact or not, highest step first; none where there is no such directory.
std::vector<FoundCheckpoint> list_checkpoints(const std::filesystem::path& run_dir);

/// Creates a directory and those above it, where they are missing, and waits until their names are on the disk.
void make_directory(const std::filesystem::path& directory);

/// Whether the name exists; a symbolic link counts, wherever it points.
bool is_there(const std::filesystem::path& path);

}  // namespace amnet
