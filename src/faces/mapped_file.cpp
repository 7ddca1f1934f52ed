#include "mapped_file.h"
#include "data/descriptor.h"

#include <amnet/core/error.h>
#include <amnet/core/path_hint.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <system_error>

namespace amnet {
namespace {

// Reads it into allocated memory, which must then be as large as the file.
void* read_whole(int descriptor, std::size_t size, const std::filesystem::path& path) {
  const std::string why = std::generic_category().message(errno);
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  require<MemoryError>(memory != MAP_FAILED,
                       "{} cannot be mapped into memory ({}), and there is no room for its {} bytes to be read; copy it "
                       "to a local disk.",
                       path.string(), why, size);
  for (std::size_t done = 0; done < size;) {
    constexpr std::size_t piece = std::size_t{1} << 30;
    const ssize_t got = ::pread(descriptor, static_cast<std::byte*>(memory) + done, std::min(piece, size - done), static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      const std::string reason = got == 0 ? "it became shorter while it was read" : std::generic_category().message(errno);
      ::munmap(memory, size);
      throw DataError(fmt::format("{} cannot be read: {}.", path.string(), reason));
    }
    done += static_cast<std::size_t>(got);
  }
  return memory;
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
  // opening a pipe must not block
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  require<DataError>(file.number() >= 0, "{} cannot be read: {}{}.", path.string(), std::generic_category().message(errno),
                     path_hint(path.string()));
  struct stat status = {};
  const bool known = ::fstat(file.number(), &status) == 0;
  require<DataError>(known && S_ISREG(status.st_mode), "{} cannot be read: it is not a regular file.", path.string());
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) return;  // which cannot be mapped
  void* memory = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file.number(), 0);
  // some network drives map nothing
  if (memory == MAP_FAILED) memory = read_whole(file.number(), size_, path);
  begin_ = static_cast<const std::byte*>(memory);
}

MappedFile::~MappedFile() {
  if (begin_ != nullptr) ::munmap(const_cast<std::byte*>(begin_), size_);
}

// Both are hints: a system that ignores them reads the same bytes, later.

void MappedFile::prefetch(std::span<const std::byte> part) const {
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = static_cast<std::size_t>(part.data() - begin_);
  const std::size_t aligned = begin / page * page;  // as the call needs it
  ::madvise(const_cast<std::byte*>(begin_) + aligned, begin - aligned + part.size(), MADV_WILLNEED);
}

void MappedFile::expect_random_access() const {
  if (begin_ != nullptr) ::madvise(const_cast<std::byte*>(begin_), size_, MADV_RANDOM);
}

}  // namespace amnet
