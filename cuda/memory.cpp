#include "core/cuda_memory.h"

#include <amnet/core/memory.h>

#include "check.h"

#include <algorithm>

namespace amnet {

DeviceMemory device_memory() {
  DeviceMemory now;
  check(cudaMemGetInfo(&now.free, &now.total), "cudaMemGetInfo");
  return now;
}

std::shared_ptr<std::byte> allocate_cuda(std::size_t bytes) {
  void* memory = nullptr;
  // never none: an empty tensor is still a defined one
  const cudaError_t answer = cudaMalloc(&memory, std::max<std::size_t>(bytes, 1));
  if (answer == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());  // answered here, not by the next call
    const DeviceMemory now = device_memory();
    const auto megabytes = [](std::size_t count) { return static_cast<double>(count) / 1e6; };
    throw DeviceMemoryError(fmt::format("[memory] wanted {:.1f} MB of the GPU's memory but {:.1f} MB of {:.1f} MB are free.",
                                        megabytes(bytes), megabytes(now.free), megabytes(now.total)),
                            bytes, now.free);
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
