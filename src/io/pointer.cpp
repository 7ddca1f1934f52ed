#include "checkpoint_manifest.h"
#include "hidden_name.h"
#include "posix_file.h"
#include "run_directory.h"

#include <amnet/io/checkpoint.h>
#include <amnet/io/durable_file.h>

#include <optional>
#include <set>
#include <string>
#include <system_error>

namespace amnet {
namespace {

namespace fs = std::filesystem;

// A line with the name of a checkpoint is shorter.
constexpr std::uintmax_t longest_line = 256;

// The one line of a pointer file, or of the file that a program without support for links made from
// a link; nothing for any other file.
std::optional<std::string> line_of(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error) || fs::file_size(path, error) > longest_line || error) return std::nullopt;
  std::string line = read_file(path, longest_line);
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return is_plain_name(line) ? std::optional(line) : std::nullopt;
}

std::optional<std::string> manifest_of(const fs::path& directory) {
  std::error_code error;
  const fs::path path = directory / manifest_name;
  if (!fs::is_regular_file(path, error)) return std::nullopt;
  return read_file(path);
}

bool is_real_directory(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(fs::symlink_status(path, error));
}

// Whether nothing is lost with `directory`: a program that copied the run followed the link, and
// made a second copy of a whole checkpoint.
bool is_copy_of_checkpoint(const fs::path& run_dir, const fs::path& directory) {
  try {
    const std::optional<std::string> text = manifest_of(directory);
    if (!text) return false;
    const fs::path original = run_dir / checkpoint_name(verify_checkpoint(directory));
    verify_checkpoint(original);
    if (manifest_of(original) != text) return false;
    std::set<std::string> names = {std::string(manifest_name)};
    for (const ManifestFile& file : parse_manifest(*text, directory.string()).files) names.insert(file.name);
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (!names.contains(entry.path().filename().string())) return false;
    }
    return true;
  } catch (const Error&) {
    return false;
  } catch (const fs::filesystem_error&) {
    return false;
  }
}

void write_line(const fs::path& path, std::string_view name) {
  OutputFile file(path, OutputFile::Mode::create);
  const std::string line = std::string(name) + "\n";
  file.write(std::as_bytes(std::span(line)));
  file.sync();
  file.close();
}

}  // namespace

void require_pointer_place(const fs::path& run_dir, std::string_view pointer) {
  const fs::path path = run_dir / pointer;
  require<FileError>(
      !is_real_directory(path) || is_copy_of_checkpoint(run_dir, path),
      "{}: expected a link or a one-line file that names a checkpoint but this is a folder of its own; move it away, and the "
      "run sets `{}` anew.",
      path.string(), pointer);
}

void set_pointer(const fs::path& run_dir, std::string_view pointer, std::string_view name) {
  require(is_plain_name(pointer) && is_plain_name(name), "[checkpoint] expected two plain names but got `{}` and `{}`.", pointer, name);
  const fs::path path = run_dir / pointer;
  require_pointer_place(run_dir, pointer);
  const fs::path temporary = hidden_path(path, Hidden::temporary), copy = hidden_path(path, Hidden::removed);
  remove_tree(temporary);
  const TemporaryPath guard(temporary);
  std::error_code no_links;
  fs::create_symlink(name, temporary, no_links);
  if (no_links) write_line(temporary, name);
  if (is_real_directory(path)) {
    remove_tree(copy);
    rename_path(path, copy);
  }
  replace_path(temporary, path);
  sync_directory(run_dir);
  remove_tree(copy);
}

std::optional<std::string> read_pointer(const fs::path& run_dir, std::string_view pointer) {
  const fs::path path = run_dir / pointer;
  std::error_code no_link;
  const fs::path target = fs::read_symlink(path, no_link);
  if (!no_link) return (target.has_filename() ? target : target.parent_path()).filename().string();
  try {
    if (std::optional<std::string> line = line_of(path)) return line;
    const std::optional<std::string> manifest = manifest_of(path);
    return manifest ? std::optional(checkpoint_name(parse_manifest(*manifest, path.string()).step)) : std::nullopt;
  } catch (const Error&) {
    return std::nullopt;  // unreadable: it points to nothing
  }
}

fs::path through_pointers(const fs::path& path) {
  fs::path resolved;
  for (const fs::path& part : path) {
    resolved /= part;
    const std::optional<std::string> line = line_of(resolved);
    if (line && step_of(*line)) resolved = directory_of(resolved) / *line;
  }
  return resolved;
}

}  // namespace amnet
