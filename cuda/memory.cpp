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
  // never 0 bytes: an empty tensor still counts as defined
  const cudaError_t answer = cudaMalloc(&memory, std::max<std::size_t>(bytes, 1));
  if (answer == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());  // clears it, so that the next call does not report it
    const DeviceMemory now = device_memory();
    const auto megabytes = [](std::size_t count) { return static_cast<double>(count) / 1e6; };
    throw DeviceMemoryError(fmt::format("[memory] wanted {:.1f} MB of the GPU's memory but {:.1f} MB of {:.1f} MB are free.",
                                        megabytes(bytes), megabytes(now.free), megabytes(now.total)),
                            bytes, now.free);
  }
  check(answer, "cudaMalloc");
  // An error from freeing belongs to earlier work; the next call reports it again.
  return {static_cast<std::byte*>(memory), [](std::byte* pointer) { static_cast<void>(cudaFree(pointer)); }};
}

void copy_cuda(std::byte* to, const std::byte* from, std::size_t bytes) {
  check(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "cudaMemcpy");
}

void clear_cuda(std::byte* bytes, std::size_t count) { check(cudaMemset(bytes, 0, count), "cudaMemset"); }

}  // namespace amnet
