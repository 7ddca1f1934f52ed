// A file as memory: its pages are read from the disk when they are touched and dropped when memory
// is short, so that it may be larger than memory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace amnet {

/// On a file system that maps no files it is read into memory at once. Readable by several threads
/// at once. The file must keep its length while it is mapped: reading where it was cut off ends the
/// process.
class MappedFile {
 public:
  /// Throws DataError "<path> ..." unless this is a regular file that can be read.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {begin_, size_}; }
  /// Lets the system read `part` of bytes() from the disk before it is touched.
  void prefetch(std::span<const std::byte> part) const;
  /// From now on pieces are read in no order: a touched page no longer loads those after it.
  void expect_random_access() const;

 private:
  const std::byte* begin_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace amnet
