#include "hidden_name.h"
#include "posix_file.h"
#include "run_directory.h"

#include <amnet/io/durable_file.h>
#include <amnet/io/folder_lock.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

namespace amnet {
namespace {

namespace fs = std::filesystem;

constexpr const char* lock_name = ".lock";

// Empty where all of it is there.
fs::path topmost_missing(const fs::path& folder) {
  fs::path missing;
  for (fs::path at = folder; !at.empty() && !is_there(at); at = at.parent_path()) missing = at;
  return missing;
}

int open_lock(const fs::path& file) {
  constexpr mode_t writable_by_all = 0666;  // the umask removes bits
  int descriptor = -1;
  do {
    descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, writable_by_all);
  } while (descriptor < 0 && errno == EINTR);
  if (descriptor < 0) fail_file("write", file, errno);
  return descriptor;
}

// 0, or the errno.
int lock_descriptor(int descriptor) {
  while (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

// False where the previous holder removed the file after it was opened here and before it was
// locked.
bool is_still_named(int descriptor, const fs::path& file) {
  struct stat opened = {}, named = {};
  return ::fstat(descriptor, &opened) == 0 && ::stat(file.c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
         opened.st_ino == named.st_ino;
}

// Errors are ignored: the lock works without it, and only the message has less detail.
void write_holder(int descriptor) {
  const std::string text = fmt::format("process {} on {}\n", ::getpid(), host_name());
  [[maybe_unused]] const bool emptied = ::ftruncate(descriptor, 0) == 0;
  [[maybe_unused]] const bool written = ::pwrite(descriptor, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

// "process 1234 on node7"; the holder may have locked the file a moment ago, and not yet have
// written it.
std::string holder_of(const fs::path& file) {
  for (int attempt = 0; attempt < 50; ++attempt) {
    try {
      std::string text = read_file(file, 400);
      if (text.ends_with('\n')) return text.substr(0, text.size() - 1);
    } catch (const Error&) {
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return "another process";
}

}  // namespace

FolderLock::FolderLock(fs::path folder) : folder_(std::move(folder)), made_(topmost_missing(folder_)) {
  try {
    make_directory(folder_);
    // on file systems whose numbers of files change, a lock counts as held after so many attempts
    constexpr int patience = 100;
    for (int attempts = 1; !try_lock() && attempts < patience;) ++attempts;
  } catch (const Error&) {
    if (descriptor_ >= 0) ::close(descriptor_);
    remove_made();
    throw;
  }
}

// False where another attempt is needed.
bool FolderLock::try_lock() {
  const fs::path file = folder_ / lock_name;
  const int descriptor = open_lock(file);
  const int error = lock_descriptor(descriptor);
  if (error == 0) {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = descriptor;
    if (!is_still_named(descriptor, file)) return false;
    write_holder(descriptor);
    return true;
  }
  ::close(descriptor);
  if (error == EWOULDBLOCK) tell_holder();
  missing_ = fmt::format("{} cannot be locked ({}): a second process that writes there would not be noticed.", folder_.string(),
                         std::generic_category().message(error));
  std::error_code ignored;
  fs::remove(file, ignored);
  return true;
}

void FolderLock::tell_holder() const {
  throw FileError(fmt::format("{}: {} is writing to this folder; wait for its end, or name another .out.", folder_.string(),
                              holder_of(folder_ / lock_name)));
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) {
    std::error_code ignored;
    fs::remove(folder_ / lock_name, ignored);
    ::close(descriptor_);
  }
  remove_made();
}

// From the innermost on; those that could not be made are not there.
void FolderLock::remove_made() const {
  if (made_.empty()) return;
  for (fs::path at = folder_;; at = at.parent_path()) {
    std::error_code error;
    fs::remove(at, error);
    const bool something_in_it = error && error != std::errc::filename_too_long && error != std::errc::no_such_file_or_directory;
    if (something_in_it || at == made_) return;
  }
}

}  // namespace amnet
