#include "hidden_name.h"
#include "posix_file.h"

#include <amnet/io/durable_file.h>

#include <unistd.h>

#include <cerrno>
#include <optional>
#include <system_error>

namespace amnet {
namespace {

namespace fs = std::filesystem;

// Where the bytes for a path go.
struct Target {
  fs::path path;
  bool replaced;  // a file; else a device or pipe, which is written as it is
};

Target target_of(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);  // of what a link points to
  require<FileError>(!fs::is_directory(status), "cannot write {}: it is a directory.", path.string());
  Target target{.path = path, .replaced = fs::is_regular_file(status) || !fs::exists(status)};
  if (target.replaced && fs::is_symlink(path, error)) target.path = fs::weakly_canonical(path, error);
  if (target.replaced && error && error != std::errc::no_such_file_or_directory) fail_file("write", path, error.value());
  const fs::path folder = directory_of(target.path);
  const bool there = fs::is_directory(folder, error);
  require<FileError>(there || (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory),
                     "cannot write {}: No such file or directory as the folder {}; create it first.", path.string(), folder.string());
  return target;
}

}  // namespace

void write_durably(const fs::path& path, const std::function<void(const ByteSink&)>& write) {
  const Target target = target_of(path);
  const fs::path temporary = target.replaced ? hidden_path(target.path, Hidden::temporary) : target.path;
  if (target.replaced) remove_tree(temporary);  // of an earlier process with the same number

  OutputFile file(temporary, target.replaced ? OutputFile::Mode::create : OutputFile::Mode::existing);
  std::optional<TemporaryPath> guard;
  if (target.replaced) guard.emplace(temporary);
  write([&](std::span<const std::byte> bytes) { file.write(bytes); });
  file.sync();
  file.close();
  if (!target.replaced) return;
  replace_path(temporary, target.path);
  sync_directory(directory_of(target.path));
}

void write_durably(const fs::path& path, std::string_view bytes) {
  write_durably(path, [&](const ByteSink& sink) { sink(std::as_bytes(std::span(bytes))); });
}

void probe_output(const fs::path& path) {
  const Target target = target_of(path);
  if (!target.replaced) {
    if (::access(target.path.c_str(), W_OK) != 0) fail_file("write", path, errno);
    return;
  }
  const fs::path temporary = hidden_path(target.path, Hidden::temporary);
  remove_tree(temporary);
  const TemporaryPath guard(temporary);
  OutputFile file(temporary, OutputFile::Mode::create);
  file.write(std::as_bytes(std::span(std::string_view("?"))));
  file.close();
}

std::string read_file(const fs::path& path, std::size_t limit) {
  InputFile file(path);
  require<DataError>(file.size() <= limit, "{}: expected at most {} bytes but the file has {}.", path.string(), limit, file.size());
  std::string bytes(static_cast<std::size_t>(file.size()), '\0');
  file.read(std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

}  // namespace amnet
