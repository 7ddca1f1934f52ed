#include <amnet/core/error.h>
#include <amnet/core/memory.h>

#include "cuda_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace amnet {
namespace {

constexpr std::size_t alignment = 64;
// Large blocks ask for huge pages: kernels walk many streams, each in a page of its own. A block's last page is mostly for nothing, so
// that weights of a few megabytes stay on small ones.
constexpr std::size_t huge_page = std::size_t{2} << 20, worth_huge_pages = 8 * huge_page;

std::shared_ptr<std::byte> allocate_host(std::size_t bytes) {
  // Never zero bytes: an empty tensor is still a defined one.
  const std::size_t grain = bytes >= worth_huge_pages ? huge_page : alignment;
  const std::size_t rounded = (std::max<std::size_t>(bytes, 1) + grain - 1) / grain * grain;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(grain, rounded));
  require<MemoryError>(memory != nullptr,
                       "[memory] wanted {} bytes of host memory and got none; use a smaller batch or a narrower network.", rounded);
#if defined(MADV_HUGEPAGE)
  if (grain == huge_page) madvise(memory, rounded, MADV_HUGEPAGE);  // a wish: where it is refused, pages are small
#endif
  return {memory, [](std::byte* pointer) { std::free(pointer); }};
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
