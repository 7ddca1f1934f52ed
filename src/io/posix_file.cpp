#include "posix_file.h"
#include "hidden_name.h"

#include <amnet/core/path_hint.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

namespace amnet {
namespace {

std::string hint_for(int error, const std::filesystem::path& path) {
  switch (error) {
    case ENOENT: return path_hint(path.string());
    case ENOSPC:
    case EDQUOT: return "; free some space";
    case EFBIG: return "; raise the limit on file sizes (ulimit -f)";
    case EACCES:
    case EPERM:
    case EROFS: return "; check the permissions or choose another directory";
    default: return "";
  }
}

int open_file(const std::filesystem::path& path, int flags, std::string_view action) {
  constexpr mode_t readable_by_all = 0666;  // the umask removes bits
  int descriptor = -1;
  do {
    descriptor = ::open(path.c_str(), flags | O_CLOEXEC, readable_by_all);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) fail_file(action, path, errno);
  return descriptor;
}

/// The errors of a file system that does not support a call, here fsync: for a terminal, or a
/// directory on some network drives.
bool is_missing(int error) { return error == EINVAL || error == ENOTSUP || error == EOPNOTSUPP || error == ENOSYS; }

int sync_descriptor(int descriptor) {
#ifdef F_FULLFSYNC
  // macOS: fsync alone leaves the bytes in the drive's cache
  if (::fcntl(descriptor, F_FULLFSYNC) == 0) return 0;
#endif
  while (::fsync(descriptor) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

}  // namespace

void fail_file(std::string_view action, const std::filesystem::path& path, int error) {
  throw FileError(fmt::format("cannot {} {}: {}{}.", action, path.string(), std::generic_category().message(error), hint_for(error, path)));
}

OutputFile::OutputFile(std::filesystem::path path, Mode mode) : path_(std::move(path)), descriptor_(-1) {
  const int how = mode == Mode::create ? O_CREAT | O_EXCL : mode == Mode::append ? O_APPEND : 0;
  descriptor_ = open_file(path_, O_WRONLY | how, mode == Mode::create ? "create" : "write");
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    constexpr std::size_t piece = std::size_t{1} << 30;  // one call may not take more than 2 GiB
    const ssize_t written = ::write(descriptor_, bytes.data(), std::min(bytes.size(), piece));
    if (written < 0) {
      if (errno == EINTR) continue;
      fail_file("write", path_, errno);
    }
    if (written == 0) fail_file("write", path_, EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

bool OutputFile::sync() {
  const int error = sync_descriptor(descriptor_);
  if (error != 0 && !is_missing(error)) fail_file("fsync", path_, error);
  return error == 0;
}

void OutputFile::close() {
  // Also after EINTR the descriptor is gone on Linux: closing again could close another file's.
  if (::close(std::exchange(descriptor_, -1)) != 0 && errno != EINTR) fail_file("close", path_, errno);
}

InputFile::InputFile(std::filesystem::path path)
    // opening a pipe must not block
    : path_(std::move(path)), descriptor_(open_file(path_, O_RDONLY | O_NONBLOCK, "read")) {
  struct stat status = {};
  const bool regular = ::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode);
  if (!regular) {
    ::close(descriptor_);
    throw FileError(fmt::format("cannot read {}: it is not a regular file.", path_.string()));
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

InputFile::~InputFile() { ::close(descriptor_); }

void InputFile::read(std::span<std::byte> bytes) {
  read_at(position_, bytes);
  position_ += bytes.size();
}

void InputFile::read_at(std::uint64_t position, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    constexpr std::size_t piece = std::size_t{1} << 30;
    const ssize_t got = ::pread(descriptor_, bytes.data(), std::min(bytes.size(), piece), static_cast<off_t>(position));
    if (got < 0) {
      if (errno == EINTR) continue;
      fail_file("read", path_, errno);
    }
    if (got == 0) throw FileError(fmt::format("cannot read {}: it became shorter while it was read.", path_.string()));
    bytes = bytes.subspan(static_cast<std::size_t>(got));
    position += static_cast<std::uint64_t>(got);
  }
}

TemporaryPath::TemporaryPath(std::filesystem::path path) : path_(std::move(path)) {}

TemporaryPath::~TemporaryPath() {
  std::error_code ignored;
  if (!dismissed_) std::filesystem::remove_all(path_, ignored);
}

bool sync_directory(const std::filesystem::path& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) {
    // a folder one may write to, but not list
    if (is_missing(errno) || errno == EACCES) return false;
    fail_file("open", directory, errno);
  }
  const int error = sync_descriptor(descriptor);
  ::close(descriptor);
  if (error != 0 && !is_missing(error)) fail_file("fsync", directory, error);
  return error == 0;
}

void rename_path(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail_file(fmt::format("rename {} to", from.string()), to, errno);
}

bool exchange_paths([[maybe_unused]] const std::filesystem::path& one, [[maybe_unused]] const std::filesystem::path& other) {
#ifdef RENAME_EXCHANGE
  // the other way reports the real error
  return ::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) == 0;
#else
  return false;
#endif
}

bool replace_path(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return true;
  const int error = errno;
  std::error_code unreadable;
  const bool refuses = error == EEXIST || error == EPERM || error == EACCES || is_missing(error);
  if (!refuses || !is_there(to) || std::filesystem::is_directory(std::filesystem::symlink_status(to, unreadable))) {
    fail_file(fmt::format("rename {} to", from.string()), to, error);
  }
  remove_tree(replace_by_turns(from, to));
  return false;
}

std::filesystem::path replace_by_turns(const std::filesystem::path& from, const std::filesystem::path& to) {
  const std::filesystem::path aside = hidden_path(to, Hidden::set_aside);
  remove_tree(aside);
  rename_path(to, aside);
  try {
    rename_path(from, to);
  } catch (const Error&) {
    rename_path(aside, to);
    throw;
  }
  return aside;
}

void remove_tree(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) fail_file("remove", path, error.value());
}

bool is_there(const std::filesystem::path& path) {
  std::error_code unreadable;  // whatever is done next with the path reports it
  return std::filesystem::exists(std::filesystem::symlink_status(path, unreadable));
}

std::filesystem::path directory_of(const std::filesystem::path& path) {
  const std::filesystem::path parent = path.parent_path();
  return parent.empty() ? std::filesystem::path(".") : parent;
}

}  // namespace amnet
