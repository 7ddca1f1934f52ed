// Where tensors live and kernels run. A backend is one type; kernels are chosen by overload on it,
// so a kernel that a backend lacks is a link error that names the function.
//
//   Device device = Cpu(2);
//   on(device, [&](auto& backend) { prelu_forward(backend, x, slope, y); });
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

namespace amnet {

/// The memory a tensor's bytes are in.
enum class Memory : unsigned char { host, cuda };

/// 64-byte aligned, uninitialised host memory; freed with the last owner.
/// Throws MemoryError with the bytes wanted when there are none.
std::shared_ptr<std::byte> allocate_host(std::size_t bytes);

/// The CPU backend: a number of threads and their scratch memory. Not for use by two threads at once.
class Cpu {
 public:
  /// `threads` >= 1; 0 takes every core this process may run on.
  explicit Cpu(int threads = 0);

  int threads() const { return threads_; }
  /// Scratch of at least `bytes`, 64-byte aligned, for worker `thread` in [0, threads()); valid until
  /// the next call for the same worker. It grows and is kept, so that a step allocates nothing.
  std::byte* scratch(int thread, std::size_t bytes);

 private:
  struct Scratch {
    std::shared_ptr<std::byte> memory;
    std::size_t bytes = 0;
  };
  int threads_;
  std::vector<Scratch> scratch_;
};

/// The backends that were built.
using Device = std::variant<Cpu>;

/// Calls `body(backend)` with the backend that `device` holds.
template <class Body>
decltype(auto) on(Device& device, Body&& body) {
  return std::visit(std::forward<Body>(body), device);
}

/// The vector instruction set the library's kernels were compiled for: "AVX-512", "AVX2", "SSE2", "NEON" or "scalar".
const char* simd_level();

}  // namespace amnet
