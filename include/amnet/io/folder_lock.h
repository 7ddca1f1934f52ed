// One writer at a time: a process that writes to a folder for more than a moment locks it first.
// The lock is the kernel's (flock on a file `.lock`), so it ends with the process in every case.
// Readers need no lock.
//
//   FolderLock lock("runs/a");   // throws when another process, here or on another machine of a shared drive, writes there
//   if (!lock.held()) log.line(lock.missing());
#pragma once

#include <filesystem>
#include <string>

namespace amnet {

class FolderLock {
 public:
  /// Creates the folder if it is missing. Throws FileError naming the process and the host that
  /// hold the lock, or the reason why `.lock` cannot be written.
  explicit FolderLock(std::filesystem::path folder);
  /// Removes `.lock`, and the folder if this object created it and it is empty.
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  /// Whether other processes are kept out; false on file systems without locks.
  bool held() const { return descriptor_ >= 0; }
  /// A sentence for a caller that continues without the lock.
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
