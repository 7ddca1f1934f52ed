#include "posix_file.h"

#include <amnet/io/durable_file.h>

#include <unistd.h>

#include <optional>
#include <system_error>

namespace amnet {
namespace {

namespace fs = std::filesystem;

}  // namespace

void write_durably(const fs::path& path, const std::function<void(const ByteSink&)>& write) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);  // of what a link points to
  require<FileError>(!fs::is_directory(status), "cannot write {}: it is a directory.", path.string());
  const bool replace = fs::is_regular_file(status) || !fs::exists(status);
  fs::path target = path;
  if (replace && fs::is_symlink(path, error)) target = fs::weakly_canonical(path, error);
  if (replace && error && error != std::errc::no_such_file_or_directory) fail_file("write", path, error.value());
  const fs::path temporary = replace ? directory_of(target) / fmt::format(".{}.tmp-{}", target.filename().string(), ::getpid()) : target;
  if (replace) remove_tree(temporary);  // of an earlier process with our number

  OutputFile file(temporary, replace ? OutputFile::Mode::create : OutputFile::Mode::existing);
  std::optional<TemporaryPath> guard;
  if (replace) guard.emplace(temporary);
  write([&](std::span<const std::byte> bytes) { file.write(bytes); });
  file.sync();
  file.close();
  if (!replace) return;
  rename_path(temporary, target);
  sync_directory(directory_of(target));
}

void write_durably(const fs::path& path, std::string_view bytes) {
  write_durably(path, [&](const ByteSink& sink) { sink(std::as_bytes(std::span(bytes))); });
}

std::string read_file(const fs::path& path, std::size_t limit) {
  InputFile file(path);
  require<DataError>(file.size() <= limit, "{}: expected at most {} bytes but the file has {}.", path.string(), limit, file.size());
  std::string bytes(static_cast<std::size_t>(file.size()), '\0');
  file.read(std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

}  // namespace amnet
