// Where the bytes of tensors are: raw blocks in the host's memory or a GPU's, and what can be done
// to bytes without knowing what they mean.
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
/// owner. Throws MemoryError with the bytes wanted when there are none (of a GPU DeviceMemoryError,
/// with those that are free), and UsageError for a GPU's in a build without CUDA.
std::shared_ptr<std::byte> allocate(Memory memory, std::size_t bytes);

/// What tensors and scratch memory of this process have of the host's memory: to see that a loop
/// takes none.
struct HostMemory {
  std::size_t bytes = 0;    ///< now
  std::int64_t blocks = 0;  ///< taken since the process began
};
HostMemory host_memory();

/// What a GPU's memory has, in bytes.
struct DeviceMemory {
  std::size_t free = 0, total = 0;
};
/// Of the GPU that the process chose, as its driver says now: other processes and CUDA's libraries
/// have taken their parts already. Throws UsageError in a build without CUDA.
DeviceMemory device_memory();

/// Copies between any two memories. It waits for what a GPU was told to do before, and has happened
/// when it returns.
void copy_bytes(std::byte* to, Memory to_memory, const std::byte* from, Memory from_memory, std::size_t bytes);

/// Sets every byte to zero, in the order of what a GPU was told to do.
void clear_bytes(std::byte* bytes, Memory memory, std::size_t count);

}  // namespace amnet
