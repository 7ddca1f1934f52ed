#include "run_directory.h"

#include "checkpoint_manifest.h"
#include "posix_file.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
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
constexpr std::array pointers = {"last", "best"};

constexpr std::array<std::pair<Hidden, std::string_view>, 3> markers = {
    {{Hidden::temporary, ".tmp-"}, {Hidden::removed, ".gone-"}, {Hidden::set_aside, ".old-"}}};

struct HiddenName {
  std::string_view visible;  // "step_00000500"
  Hidden why;
  pid_t process;
};

/// Undoes hidden_path; nothing for any other name.
std::optional<HiddenName> parse_hidden(std::string_view name) {
  for (const auto& [why, marker] : markers) {
    const std::size_t at = name.rfind(marker);
    if (!name.starts_with('.') || at == std::string_view::npos) continue;
    const std::string_view digits = name.substr(at + marker.size());
    pid_t process = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), process);
    if (error == std::errc() && end == digits.data() + digits.size() && process > 0)
      return HiddenName{name.substr(1, at - 1), why, process};
  }
  return std::nullopt;
}

bool is_another_living_process(pid_t process) { return process != ::getpid() && (::kill(process, 0) == 0 || errno == EPERM); }

std::vector<fs::path> list_directory(const fs::path& directory) {
  std::vector<fs::path> paths;
  std::error_code error;
  fs::directory_iterator iterator(directory, error);
  for (; !error && iterator != fs::directory_iterator(); iterator.increment(error)) paths.push_back(iterator->path());
  if (error && error != std::errc::no_such_file_or_directory) fail_file("list", directory, error.value());
  return paths;
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

fs::path hidden_path(const fs::path& path, Hidden why) {
  const auto marker = std::ranges::find(markers, why, &std::pair<Hidden, std::string_view>::first)->second;
  return directory_of(path) / fmt::format(".{}{}{}", path.filename().string(), marker, ::getpid());
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

bool is_there(const fs::path& path) {
  std::error_code unreadable;  // whatever is done next with the path reports it
  return fs::exists(fs::symlink_status(path, unreadable));
}

std::vector<std::string> keep_newest(const fs::path& run_dir, int keep, std::span<const std::string> protect) {
  require(keep >= 1, "[checkpoint] expected to keep at least one checkpoint but got {}.", keep);
  const std::vector<FoundCheckpoint> checkpoints = list_checkpoints(run_dir);
  if (checkpoints.size() <= static_cast<std::size_t>(keep)) return {};

  std::vector<std::string> kept(protect.begin(), protect.end());
  for (const char* pointer : pointers) {
    if (std::optional<std::string> name = read_pointer(run_dir, pointer)) kept.push_back(std::move(*name));
  }
  std::vector<std::string> notes;
  const std::optional<FoundCheckpoint> newest = newest_intact(run_dir, notes);
  if (!newest) return {};  // whatever is there is all that is left
  kept.push_back(newest->directory.filename().string());

  std::vector<std::string> removed;
  std::vector<fs::path> hidden;
  for (const FoundCheckpoint& checkpoint : std::span(checkpoints).subspan(static_cast<std::size_t>(keep))) {
    std::string name = checkpoint.directory.filename().string();
    if (std::ranges::find(kept, name) != kept.end()) continue;
    hidden.push_back(hidden_path(checkpoint.directory, Hidden::removed));
    remove_tree(hidden.back());
    rename_path(checkpoint.directory, hidden.back());  // so that no half-removed checkpoint is ever seen
    removed.push_back(std::move(name));
  }
  if (!hidden.empty()) sync_directory(run_dir);
  for (const fs::path& path : hidden) remove_tree(path);
  return removed;
}

void set_pointer(const fs::path& run_dir, std::string_view pointer, std::string_view name) {
  require(is_plain_name(pointer) && is_plain_name(name), "[checkpoint] expected two plain names but got `{}` and `{}`.", pointer, name);
  const fs::path path = run_dir / pointer;
  const fs::path temporary = hidden_path(path, Hidden::temporary);
  remove_tree(temporary);
  const TemporaryPath guard(temporary);
  std::error_code error;
  fs::create_symlink(name, temporary, error);
  if (error) fail_file("create the symbolic link", temporary, error.value());
  rename_path(temporary, path);
  sync_directory(run_dir);
}

std::optional<std::string> read_pointer(const fs::path& run_dir, std::string_view pointer) {
  std::error_code no_link;
  const fs::path name = fs::read_symlink(run_dir / pointer, no_link);
  return no_link ? std::nullopt : std::optional(name.string());
}

void clean_run_directory(const fs::path& run_dir) {
  bool renamed = false;
  for (const fs::path& path : list_directory(run_dir)) {
    const std::string name = path.filename().string();
    const std::optional<HiddenName> hidden = parse_hidden(name);
    if (!hidden || is_another_living_process(hidden->process)) continue;
    std::error_code unreadable;
    if (fs::is_directory(fs::symlink_status(path, unreadable)) && !step_of(hidden->visible)) continue;  // not ours
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

void probe_run_directory(const fs::path& run_dir, std::uint64_t checkpoint_bytes) {
  make_directory(run_dir);
  const fs::path path = hidden_path(run_dir / "probe", Hidden::temporary);
  remove_tree(path);
  {
    const TemporaryPath guard(path);
    OutputFile file(path, OutputFile::Mode::create);
    file.write(std::vector<std::byte>(4096));
    file.sync();
    file.close();
  }
  std::error_code error;
  const fs::space_info space = fs::space(run_dir, error);
  if (error) fail_file("ask for the free space of", run_dir, error.value());
  require<FileError>(
      space.available / 2 >= checkpoint_bytes,
      "{}: expected room for two checkpoints of {:.1f} MB each but {:.1f} MB are free; free some space or choose another --out.",
      run_dir.string(), static_cast<double>(checkpoint_bytes) / 1e6, static_cast<double>(space.available) / 1e6);
}

}  // namespace amnet
