// The names within a run directory: checkpoints and the pointers to them.
#pragma once

#include <amnet/io/checkpoint.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

namespace amnet {

/// The step of a name that checkpoint_name gives.
std::optional<std::int64_t> step_of(std::string_view name);

/// The checkpoints of a run, intact or not, highest step first; none where there is no such
/// directory.
std::vector<FoundCheckpoint> list_checkpoints(const std::filesystem::path& run_dir);

/// Creates a directory and those above it, where they are missing, and waits until their names are
/// on the disk.
void make_directory(const std::filesystem::path& directory);

/// Throws FileError where set_pointer would for what is in the place of the pointer.
void require_pointer_place(const std::filesystem::path& run_dir, std::string_view pointer);

}  // namespace amnet
