// Files and directories by system call, every result checked: the basis of the durable writers of
// io/.
#pragma once

#include <amnet/core/error.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace amnet {

/// Throws FileError "cannot <action> <path>: <reason>" with a hint where there is one. `error` is
/// an errno.
[[noreturn]] void fail_file(std::string_view action, const std::filesystem::path& path, int error);

/// A file open for writing from its start. Closed on destruction; only close() reports.
class OutputFile {
 public:
  enum class Mode : unsigned char {
    create,    ///< must not exist yet
    existing,  ///< a device or pipe
    append     ///< to a file that is there
  };
  OutputFile(std::filesystem::path path, Mode mode);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes);
  /// Waits until the bytes are on the disk. False where the file system cannot report that.
  bool sync();
  void close();

 private:
  std::filesystem::path path_;
  int descriptor_;
};

/// A regular file open for reading.
class InputFile {
 public:
  explicit InputFile(std::filesystem::path path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  std::uint64_t size() const { return size_; }
  /// Fills `bytes` from the current position. Throws FileError, also when the file ends first.
  void read(std::span<std::byte> bytes);
  /// The same from a given position; the current one does not change.
  void read_at(std::uint64_t position, std::span<std::byte> bytes) const;

 private:
  std::filesystem::path path_;
  int descriptor_;
  std::uint64_t size_ = 0;
  std::uint64_t position_ = 0;
};

/// Removes a file or directory at the end of a scope unless it was dismissed. What cannot be
/// removed then stays: the error that ends the scope matters more, and clean_run_directory tries
/// again.
class TemporaryPath {
 public:
  explicit TemporaryPath(std::filesystem::path path);
  ~TemporaryPath();
  TemporaryPath(const TemporaryPath&) = delete;
  TemporaryPath& operator=(const TemporaryPath&) = delete;

  void dismiss() { dismissed_ = true; }

 private:
  std::filesystem::path path_;
  bool dismissed_ = false;
};

/// Waits until the names in `directory` are on the disk. False where the file system cannot report
/// that.
bool sync_directory(const std::filesystem::path& directory);
/// Renames; an existing file, or empty directory, of the name `to` is replaced atomically.
void rename_path(const std::filesystem::path& from, const std::filesystem::path& to);
/// Swaps two names in one step. False where the system or the file system cannot.
bool exchange_paths(const std::filesystem::path& one, const std::filesystem::path& other);
/// Renames; a file of the name `to` is replaced, atomically (true) unless the file system cannot.
/// Then it is set aside under a hidden name, from which it is restored when this fails, and after a
/// crash in a run directory when the run is resumed.
bool replace_path(const std::filesystem::path& from, const std::filesystem::path& to);
/// The second way of replace_path, for directories too: returns the hidden name of what was `to`.
std::filesystem::path replace_by_turns(const std::filesystem::path& from, const std::filesystem::path& to);
/// Removes a file or a whole directory; a missing one is not an error.
void remove_tree(const std::filesystem::path& path);

/// Whether the name exists; a symbolic link counts, wherever it points.
bool is_there(const std::filesystem::path& path);

/// The directory a path lies in; "." for a bare name.
std::filesystem::path directory_of(const std::filesystem::path& path);

}  // namespace amnet
