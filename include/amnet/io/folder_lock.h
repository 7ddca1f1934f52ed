// One writer at a time: who writes to a folder for longer than a moment locks it first. The lock is
// the kernel's (flock on a file `.lock`), so it ends with the process, however that ends. Readers
// need none.
//
//   FolderLock lock("runs/a");   // throws when another process, here or on another machine of a shared drive, writes there
//   if (!lock.held()) log.line(lock.missing());
#pragma once

#include <filesystem>
#include <string>

namespace amnet {

class FolderLock {
 public:
  /// Creates the folder where it is missing. Throws FileError naming the process and the host that
  /// hold it, or what keeps `.lock` from being written.
  explicit FolderLock(std::filesystem::path folder);
  /// Takes `.lock` away, and the folder if this made it and nothing came into it.
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  /// Whether others are kept out; not on file systems without locks.
  bool held() const { return descriptor_ >= 0; }
  /// A sentence for whoever goes on without the lock.
  const std::string& missing() const { return missing_; }

 private:
  bool try_lock();
  [[noreturn]] void tell_holder() const;
  void remove_made() const;

  std::filesystem::path folder_, made_;  // made_: the topmost folder that was missing
  int descriptor_ = -1;
  std::string missing_;
};

}  // namespace amnet
