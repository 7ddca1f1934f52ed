// Where the bytes of tensors are: raw blocks in the host's memory or a GPU's, and the operations on
// bytes that do not depend on their meaning.
//
//   const std::shared_ptr<std::byte> block = allocate(Memory::host, 4096);   // freed with its last owner
//   clear_bytes(block.get(), Memory::host, 4096);
//   host_memory().bytes;                                                     // what tensors and scratch memory have
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace amnet {

/// The memory a tensor's bytes are in. `cuda` is that of the GPU which the process chose
/// (core/device.h).
enum class Memory : unsigned char { host, cuda };

/// Uninitialised memory, aligned to 64 bytes on the host and 256 on a GPU; freed with the last
/// owner. Throws MemoryError with the bytes requested when there are not enough (for a GPU
/// DeviceMemoryError, with those that are free), and UsageError for GPU memory in a build without
/// CUDA.
std::shared_ptr<std::byte> allocate(Memory memory, std::size_t bytes);

/// The host memory that tensors and scratch memory of this process hold: for checks that a loop
/// takes none.
struct HostMemory {
  std::size_t bytes = 0;    ///< now
  std::int64_t blocks = 0;  ///< taken since the process began
};
HostMemory host_memory();

/// The memory of a GPU, in bytes.
struct DeviceMemory {
  std::size_t free = 0, total = 0;
};
/// That of the GPU that the process chose, as its driver reports it now: what other processes and
/// CUDA's libraries have taken is no longer free. Throws UsageError in a build without CUDA.
DeviceMemory device_memory();

/// Copies between any two memories. Waits for the work that was launched on a GPU before; the copy
/// is complete when this returns.
void copy_bytes(std::byte* to, Memory to_memory, const std::byte* from, Memory from_memory, std::size_t bytes);

/// Sets every byte to zero, in order with the work that was launched on a GPU.
void clear_bytes(std::byte* bytes, Memory memory, std::size_t count);

}  // namespace amnet
