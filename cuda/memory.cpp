#include "core/cuda_memory.h"

#include "check.h"

#include <algorithm>

namespace amnet {

std::shared_ptr<std::byte> allocate_cuda(std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t answer = cudaMalloc(&memory, std::max<std::size_t>(bytes, 1));  // never none: an empty tensor is still a defined one
  if (answer == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());  // answered here, not by the next call
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
    throw MemoryError(fmt::format("[memory] wanted {:.1f} MB of the GPU's memory but {:.1f} MB of {:.1f} MB are free; use a smaller batch.",
                                  static_cast<double>(bytes) / 1e6, static_cast<double>(free) / 1e6, static_cast<double>(total) / 1e6));
  }
  check(answer, "cudaMalloc");
  // An error of freeing is one of earlier work, which the next call will report again.
  return {static_cast<std::byte*>(memory), [](std::byte* pointer) { static_cast<void>(cudaFree(pointer)); }};
}

void copy_cuda(std::byte* to, const std::byte* from, std::size_t bytes) {
  check(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "cudaMemcpy");
}

void clear_cuda(std::byte* bytes, std::size_t count) { check(cudaMemset(bytes, 0, count), "cudaMemset"); }

}  // namespace amnet
