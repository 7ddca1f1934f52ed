#include "run_directory.h"

#include "checkpoint_manifest.h"
#include "hidden_name.h"
#include "posix_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace amnet {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view step_prefix = "step_";
constexpr std::string_view probe_name = "probe";
constexpr std::array<std::string_view, 2> pointers = {"last", "best"};

std::vector<fs::path> list_directory(const fs::path& directory) {
  std::vector<fs::path> paths;
  std::error_code error;
  fs::directory_iterator iterator(directory, error);
  for (; !error && iterator != fs::directory_iterator(); iterator.increment(error)) paths.push_back(iterator->path());
  if (error && error != std::errc::no_such_file_or_directory) fail_file("list", directory, error.value());
  return paths;
}

bool write_probe(const fs::path& path, OutputFile::Mode mode = OutputFile::Mode::create) {
  OutputFile file(path, mode);
  file.write(std::vector<std::byte>(4096));
  const bool synced = file.sync();
  file.close();
  return synced;
}

// Tries once, in a folder of its own, what a run will do. Throws for what a run needs and cannot
// do; returns what is missing and not needed.
std::vector<std::string> try_file_system(const fs::path& run_dir) {
  const fs::path folder = hidden_path(run_dir / probe_name, Hidden::temporary);
  remove_tree(folder);
  const TemporaryPath guard(folder);
  make_directory(folder);
  const fs::path file = folder / "file", other = folder / "other";
  std::vector<std::string> missing;
  const bool file_synced = write_probe(file);
  write_probe(other);
  write_probe(other, OutputFile::Mode::append);  // as train.log
  if (!replace_path(other, file)) {
    missing.emplace_back("a file cannot be replaced by renaming, so one that is being replaced has a hidden name for a moment");
  }
  make_directory(folder / "step");
  write_probe(folder / "step" / "file");
  rename_path(folder / "step", folder / "renamed");
  std::error_code no_links;
  fs::create_symlink("renamed", folder / "link", no_links);
  if (no_links) {
    missing.push_back(
        fmt::format("there are no symbolic links ({}), so `last` and `best` are files with the name of a checkpoint", no_links.message()));
  }
  if (!sync_directory(folder) || !file_synced) {
    missing.emplace_back("it is not told when files are on the disk (fsync), so a power cut may cost the newest checkpoints");
  }
  return missing;
}

}  // namespace

std::string checkpoint_name(std::int64_t step) { return fmt::format("{}{:08}", step_prefix, step); }

std::optional<std::int64_t> step_of(std::string_view name) {
  std::int64_t step = -1;
  if (!name.starts_with(step_prefix)) return std::nullopt;
  const std::string_view digits = name.substr(step_prefix.size());
  std::from_chars(digits.data(), digits.data() + digits.size(), step);
  if (step < 0 || checkpoint_name(step) != name) return std::nullopt;
  return step;
}

std::vector<FoundCheckpoint> list_checkpoints(const fs::path& run_dir) {
  std::vector<FoundCheckpoint> found;
  for (const fs::path& path : list_directory(run_dir)) {
    std::error_code unreadable;
    const std::optional<std::int64_t> step = step_of(path.filename().string());
    if (step && fs::is_directory(path, unreadable)) found.push_back({path, *step});
  }
  std::ranges::sort(found, std::greater(), &FoundCheckpoint::step);
  return found;
}

void make_directory(const fs::path& directory) {
  std::error_code error;
  if (fs::is_directory(directory, error)) return;
  const fs::path parent = directory_of(directory);
  if (parent != directory) make_directory(parent);
  fs::create_directory(directory, error);
  if (error) fail_file("create", directory, error.value());
  sync_directory(parent);
}

std::vector<std::string> keep_newest(const fs::path& run_dir, int keep, std::span<const std::string> protect) {
  require(keep >= 1, "[checkpoint] expected to keep at least one checkpoint but got {}.", keep);
  const std::vector<FoundCheckpoint> checkpoints = list_checkpoints(run_dir);
  if (checkpoints.size() <= static_cast<std::size_t>(keep)) return {};

  std::vector<std::string> kept(protect.begin(), protect.end());
  for (const std::string_view pointer : pointers) {
    if (std::optional<std::string> name = read_pointer(run_dir, pointer)) kept.push_back(std::move(*name));
  }
  std::vector<std::string> notes;
  const std::optional<FoundCheckpoint> newest = newest_intact(run_dir, notes);
  if (!newest) return {};  // nothing is intact, so nothing is removed
  kept.push_back(newest->directory.filename().string());

  std::vector<std::string> removed;
  std::vector<fs::path> hidden;
  for (const FoundCheckpoint& checkpoint : std::span(checkpoints).subspan(static_cast<std::size_t>(keep))) {
    std::string name = checkpoint.directory.filename().string();
    if (std::ranges::find(kept, name) != kept.end()) continue;
    hidden.push_back(hidden_path(checkpoint.directory, Hidden::removed));
    remove_tree(hidden.back());
    // so that no half-removed checkpoint is ever seen
    rename_path(checkpoint.directory, hidden.back());
    removed.push_back(std::move(name));
  }
  if (!hidden.empty()) sync_directory(run_dir);
  for (const fs::path& path : hidden) remove_tree(path);
  return removed;
}

void clean_run_directory(const fs::path& run_dir, bool alone) {
  bool renamed = false;
  for (const fs::path& path : list_directory(run_dir)) {
    const std::string name = path.filename().string();
    const std::optional<HiddenName> hidden = parse_hidden(name);
    if (!hidden) continue;
    std::error_code unreadable;
    const bool directory = fs::is_directory(fs::symlink_status(path, unreadable));
    const bool ours =
        step_of(hidden->visible) || hidden->visible == probe_name || std::ranges::find(pointers, hidden->visible) != pointers.end();
    if (directory && !ours) continue;
    // Only the process that writes the run creates folders in it. Files may be of any process, such
    // as a report that is being written.
    if (directory && alone ? false : may_be_in_use(*hidden, path)) continue;
    const fs::path visible = run_dir / hidden->visible;
    if (hidden->why == Hidden::set_aside && !is_there(visible)) {
      rename_path(path, visible);
      renamed = true;
    } else {
      remove_tree(path);
    }
  }
  if (renamed) sync_directory(run_dir);
}

std::vector<std::string> probe_run_directory(const fs::path& run_dir, std::uint64_t checkpoint_bytes) {
  make_directory(run_dir);
  for (const std::string_view pointer : pointers) require_pointer_place(run_dir, pointer);
  std::vector<std::string> missing = try_file_system(run_dir);
  std::error_code error;
  const fs::space_info space = fs::space(run_dir, error);
  if (error || space.capacity == 0) {
    missing.emplace_back("the free space is not told, so whether checkpoints fit shows when they are written");
    return missing;
  }
  require<FileError>(
      space.available / 2 >= checkpoint_bytes,
      "{}: expected room for two checkpoints of {:.1f} MB each but {:.1f} MB are free; free some space or choose another .out.",
      run_dir.string(), static_cast<double>(checkpoint_bytes) / 1e6, static_cast<double>(space.available) / 1e6);
  return missing;
}

}  // namespace amnet
