// Runs a kernel of cuda/ on the CPU instead of a GPU: the blocks one after the other, every thread
// of a block as a fiber. A barrier and an exchange switch to the next fiber, in an order that the
// tests vary; each block has its own shared memory, filled with NaN bits before each block. What a
// GPU leaves undefined is an error here: a barrier that some threads of a block pass and others
// never reach, an exchange that only a part of a warp reaches.
//
// It gives no information about speed, and a data race within a block shows only where one of the
// orders exposes it.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

namespace amnet::emulation {

/// In which order the fibers of a block run between two barriers.
enum class ThreadOrder : unsigned char { rising, falling, shuffled };
/// For all kernels launched after this call.
void set_thread_order(ThreadOrder order);

class Block;

/// The same interface as Thread in cuda/kernel.h.
class Thread {
 public:
  Thread(Block& block, int index) : block_(block), index_(index) {}

  int index() const { return index_; }
  int threads() const;
  std::int64_t block() const;
  std::int64_t blocks() const;
  std::int64_t first() const { return block() * threads() + index_; }
  std::int64_t step() const { return blocks() * threads(); }
  void barrier() const;
  template <class T>
  T exchange(T value, int mask) const {
    static_assert(sizeof(T) <= 8);
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    bits = exchange_bits(bits, mask);
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  template <class Shared>
  Shared& shared() const {
    return *static_cast<Shared*>(shared_memory());
  }

 private:
  std::uint64_t exchange_bits(std::uint64_t bits, int mask) const;
  void* shared_memory() const;

  Block& block_;
  int index_;
};

/// Puts the kernel into the stream of the fake runtime (fake_cuda.h), which runs it later. Refuses
/// what a GPU cannot launch.
cudaError_t launch(cudaStream_t stream, std::int64_t blocks, int threads, std::size_t shared_bytes,
                   std::function<void(const Thread&)> body);

}  // namespace amnet::emulation
