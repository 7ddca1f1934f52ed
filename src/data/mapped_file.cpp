#include "mapped_file.h"
#include "descriptor.h"

#include <amnet/core/error.h>
#include <amnet/core/path_hint.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace amnet {
MappedFile::MappedFile(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a pipe must not make us wait
  require<DataError>(file.number() >= 0, "{} cannot be read: {}{}.", path.string(), std::generic_category().message(errno),
                     path_hint(path.string()));
  struct stat status = {};
  const bool known = ::fstat(file.number(), &status) == 0;
  require<DataError>(known && S_ISREG(status.st_mode), "{} cannot be read: it is not a regular file.", path.string());
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;  // which cannot be mapped
  void* memory = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.number(), 0);
  require<DataError>(memory != MAP_FAILED, "{} cannot be mapped into memory: {}.", path.string(), std::generic_category().message(errno));
  begin_ = static_cast<const std::byte*>(memory);
}

MappedFile::~MappedFile() {
  if (begin_ != nullptr) ::munmap(const_cast<std::byte*>(begin_), size_);
}

// Both are advice: a system that does not take it reads the same bytes, later.

void MappedFile::prefetch(std::span<const std::byte> part) const {
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = static_cast<std::size_t>(part.data() - begin_);
  const std::size_t aligned = begin / page * page;  // as the call wants it
  ::madvise(const_cast<std::byte*>(begin_) + aligned, begin - aligned + part.size(), MADV_WILLNEED);
}

void MappedFile::expect_random_access() const {
  if (begin_ != nullptr) ::madvise(const_cast<std::byte*>(begin_), size_, MADV_RANDOM);
}

}  // namespace amnet
