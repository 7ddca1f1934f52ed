#include <amnet/core/error.h>
#include <amnet/core/memory.h>

#include "cuda_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace amnet {
namespace {

constexpr std::size_t alignment = 64;
// Blocks of a megabyte or more are pages from the system, and are returned to it when they are
// freed: an allocator keeps some for later, and then more is taken than was forecast (for scratch
// memory that grows, by a sixth of a small run).
constexpr std::size_t page = std::size_t{4} << 10, worth_pages = std::size_t{1} << 20;
// Large blocks request huge pages: kernels read many streams, each in a page of its own. A block's
// last page is mostly unused, so weights of a few megabytes stay on small ones.
constexpr std::size_t huge_page = std::size_t{2} << 20, worth_huge_pages = 8 * huge_page;

// Counters, which affect no result: no other state of the library outlives its values.
std::atomic<std::size_t> bytes_now{0};
std::atomic<std::int64_t> blocks_taken{0};

constexpr std::size_t rounded_up(std::size_t bytes, std::size_t grain) { return (bytes + grain - 1) / grain * grain; }

std::shared_ptr<std::byte> from_allocator(std::size_t bytes) {
  auto* const memory = static_cast<std::byte*>(std::aligned_alloc(alignment, rounded_up(bytes, alignment)));
  if (memory == nullptr) return nullptr;
  bytes_now += bytes;
  return {memory, [bytes](std::byte* pointer) {
            std::free(pointer);
            bytes_now -= bytes;
          }};
}

/// Pages that begin at a multiple of `grain`, a power of 2.
std::shared_ptr<std::byte> from_system(std::size_t bytes, std::size_t grain) {
  // the system aligns to a small page
  const std::size_t wanted = rounded_up(bytes, grain), mapped = wanted + grain - page;
  void* const first = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (first == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<std::byte*>(first);
  const std::size_t skipped = rounded_up(reinterpret_cast<std::uintptr_t>(begin), grain) - reinterpret_cast<std::uintptr_t>(begin);
  if (skipped > 0) munmap(begin, skipped);
  if (const std::size_t left = mapped - skipped - wanted; left > 0) munmap(begin + skipped + wanted, left);
#if defined(MADV_HUGEPAGE)
  // a hint: if it is refused, pages are small
  if (grain == huge_page) madvise(begin + skipped, wanted, MADV_HUGEPAGE);
#endif
  bytes_now += bytes;
  return {begin + skipped, [wanted, bytes](std::byte* pointer) {
            munmap(pointer, wanted);
            bytes_now -= bytes;
          }};
}

std::shared_ptr<std::byte> allocate_host(std::size_t bytes) {
  // Never zero bytes: an empty tensor is still a defined one.
  std::shared_ptr<std::byte> memory = bytes < worth_pages ? from_allocator(std::max<std::size_t>(bytes, 1))
                                                          : from_system(bytes, bytes < worth_huge_pages ? page : huge_page);
  require<MemoryError>(memory != nullptr,
                       "[memory] wanted {} bytes of host memory and got none; use a smaller batch or a narrower network.", bytes);
  ++blocks_taken;
  return memory;
}

}  // namespace

#if !defined(AMNET_CUDA)
std::shared_ptr<std::byte> allocate_cuda(std::size_t bytes) {
  throw UsageError(fmt::format("[memory] wanted {} bytes of a GPU's memory, but amnet was built without CUDA.", bytes));
}
DeviceMemory device_memory() { throw UsageError("[memory] asked for what a GPU's memory has, but amnet was built without CUDA."); }
void copy_cuda(std::byte*, const std::byte*, std::size_t bytes) {
  throw UsageError(fmt::format("[memory] cannot copy {} bytes of a GPU's memory: amnet was built without CUDA.", bytes));
}
void clear_cuda(std::byte*, std::size_t count) {
  throw UsageError(fmt::format("[memory] cannot clear {} bytes of a GPU's memory: amnet was built without CUDA.", count));
}
#endif

HostMemory host_memory() { return {bytes_now, blocks_taken}; }

std::shared_ptr<std::byte> allocate(Memory memory, std::size_t bytes) {
  return memory == Memory::host ? allocate_host(bytes) : allocate_cuda(bytes);
}

void copy_bytes(std::byte* to, Memory to_memory, const std::byte* from, Memory from_memory, std::size_t bytes) {
  if (bytes == 0) return;
  if (to_memory == Memory::host && from_memory == Memory::host) {
    std::memcpy(to, from, bytes);
  } else {
    copy_cuda(to, from, bytes);
  }
}

void clear_bytes(std::byte* bytes, Memory memory, std::size_t count) {
  if (count == 0) return;
  if (memory == Memory::host) {
    std::memset(bytes, 0, count);
  } else {
    clear_cuda(bytes, count);
  }
}

}  // namespace amnet
