// How amnet's kernels are written: a value that holds the arguments, and whose operator() is the
// work of one thread. `launch` runs it. A kernel uses only what Thread offers of the GPU, so that
// the tests can run the same source without one (tests/cuda/emulation: one fiber for each thread).
//
//   struct Double {
//     static constexpr int threads = 256;             // of a block
//     const float* x;
//     float* y;
//     std::int64_t count;
//     AMNET_DEVICE void operator()(const Thread& thread) const {
//       for (std::int64_t i = thread.first(); i < count; i += thread.step()) y[i] = 2 * x[i];
//     }
//   };
//   launch(cuda, blocks_for(cuda, count, Double::threads), Double{x, y, count});
//
// A kernel that shares memory within a block has a type `Shared`: thread.shared<Shared>() is the
// block's own copy, uninitialised.
#pragma once

#include "profile.h"
#include "state.h"

#include <algorithm>
#include <cstdint>
#include <string>

#if defined(__CUDACC__)
#define AMNET_DEVICE __device__ __forceinline__
#else
#include "emulation/emulator.h"
#define AMNET_DEVICE inline
#endif

namespace amnet {

inline constexpr int warp_size = 32;

#if defined(__CUDACC__)
/// The calling thread, its block and its grid, which have one dimension each.
class Thread {
 public:
  /// In [0, threads()).
  __device__ int index() const { return static_cast<int>(threadIdx.x); }
  __device__ int threads() const { return static_cast<int>(blockDim.x); }
  /// In [0, blocks()).
  __device__ std::int64_t block() const { return blockIdx.x; }
  __device__ std::int64_t blocks() const { return gridDim.x; }
  /// For a loop over elements that is divided among the threads of the grid: `for (i = first(); i <
  /// count; i += step())`.
  __device__ std::int64_t first() const { return block() * threads() + index(); }
  __device__ std::int64_t step() const { return blocks() * threads(); }
  /// Waits for all threads of the block; after it, each thread sees what the others wrote before.
  /// All threads of the block must call it.
  __device__ void barrier() const { __syncthreads(); }
  /// The value of the thread of this warp whose index differs in the bits of `mask`. All 32 threads
  /// must call it.
  template <class T>
  __device__ T exchange(T value, int mask) const {
    return __shfl_xor_sync(~0U, value, mask);
  }
  template <class Shared>
  __device__ Shared& shared() const {
    extern __shared__ __align__(16) unsigned char block_memory[];
    return *reinterpret_cast<Shared*>(block_memory);
  }
};

template <class Kernel>
__global__ void __launch_bounds__(Kernel::threads) run_kernel(const Kernel kernel) {
  kernel(Thread{});
}
#else
using Thread = emulation::Thread;
#endif

template <class Kernel>
constexpr std::size_t shared_bytes() {
  if constexpr (requires { typename Kernel::Shared; }) {
    return sizeof(typename Kernel::Shared);
  } else {
    return 0;
  }
}

/// The name that the kernel has, or else its type as the compiler spells it: for
/// Cuda::kernel_times.
template <class Kernel>
std::string kernel_name() {
  if constexpr (requires { Kernel::name; }) {
    return Kernel::name;
  } else {
    return readable_kernel_name(__PRETTY_FUNCTION__);
  }
}

/// Runs `kernel` on `blocks` blocks of Kernel::threads threads, after all earlier work in the
/// stream. Does nothing for zero blocks. Throws DeviceError, with the caller's line, where the
/// launch is refused.
template <class Kernel>
void launch(Cuda& cuda, std::int64_t blocks, const Kernel& kernel, std::source_location where = std::source_location::current()) {
  static_assert(Kernel::threads % warp_size == 0 && Kernel::threads <= 1024);
  static_assert(shared_bytes<Kernel>() <= 48 * 1024, "more needs the kernel's permission");
  if (blocks == 0) return;
  require(blocks < (std::int64_t{1} << 31), "[cuda] a kernel of {} blocks was wanted but a grid has fewer than 2^31.", blocks);
  timed(cuda.state(), kernel_name<Kernel>, [&] {
#if defined(__CUDACC__)
    // As <<<>>> does, but returns the status of this launch, and never what an earlier call left in
    // cudaGetLastError().
    void* arguments[] = {const_cast<Kernel*>(&kernel)};
    const cudaError_t answer = cudaLaunchKernel(reinterpret_cast<const void*>(&run_kernel<Kernel>), dim3(static_cast<unsigned>(blocks)),
                                                dim3(Kernel::threads), arguments, shared_bytes<Kernel>(), cuda.state().stream);
#else
    const cudaError_t answer = emulation::launch(cuda.state().stream, blocks, Kernel::threads, shared_bytes<Kernel>(), kernel);
#endif
    check(answer, "the launch of a kernel", where);
  });
}

/// Blocks for a loop over `count` elements: one thread each, but no more blocks than keep the GPU
/// busy; the loop covers the rest.
inline std::int64_t blocks_for(Cuda& cuda, std::int64_t count, int threads) {
  return std::min((count + threads - 1) / threads, std::int64_t{cuda.state().multiprocessors} * (2048 / threads) * 4);
}

struct Plus {
  template <class T>
  AMNET_DEVICE T operator()(T a, T b) const {
    return a + b;
  }
};
struct Larger {
  template <class T>
  AMNET_DEVICE T operator()(T a, T b) const {
    return a < b ? b : a;
  }
};

/// The values of the 32 threads of a warp, combined in the same order in every thread.
template <class T, class Combine>
AMNET_DEVICE T combine_warp(const Thread& thread, T value, Combine combine) {
  for (int mask = warp_size / 2; mask > 0; mask /= 2) value = combine(value, thread.exchange(value, mask));
  return value;
}
/// The same for a block, in every thread. `room`: one element for each warp, in the block's shared
/// memory; it may be used again after the next barrier.
template <class T, class Combine>
AMNET_DEVICE T combine_block(const Thread& thread, T value, T* room, Combine combine) {
  value = combine_warp(thread, value, combine);
  if (thread.index() % warp_size == 0) room[thread.index() / warp_size] = value;
  thread.barrier();
  T all = room[0];
  for (int warp = 1; warp < thread.threads() / warp_size; ++warp) all = combine(all, room[warp]);
  return all;
}

template <class T>
AMNET_DEVICE T warp_sum(const Thread& thread, T value) {
  return combine_warp(thread, value, Plus{});
}
template <class T>
AMNET_DEVICE T block_sum(const Thread& thread, T value, T* room) {
  return combine_block(thread, value, room, Plus{});
}
template <class T>
AMNET_DEVICE T block_max(const Thread& thread, T value, T* room) {
  return combine_block(thread, value, room, Larger{});
}

}  // namespace amnet
