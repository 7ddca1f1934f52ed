// Where tensors live and kernels run. A backend is one type; kernels are chosen by overload on it,
// so a kernel that a backend lacks is a link error that names the function.
//
//   Device device = Cpu(2);
//   on(device, [&](auto& backend) { prelu_forward(backend, x, slope, y); });
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace amnet {

/// The memory a tensor's bytes are in.
enum class Memory : unsigned char { host, cuda };

/// 64-byte aligned, uninitialised host memory; freed with the last owner.
/// Throws MemoryError with the bytes wanted when there are none.
std::shared_ptr<std::byte> allocate_host(std::size_t bytes);

/// How a backend is to compute convolutions: as it finds best for each shape, all directly, or all by Winograd tiles of one
/// size where the shape allows tiles at all. To measure, and to find out whether an algorithm is at fault.
enum class ConvolutionAlgorithm : unsigned char { automatic, direct, tiles_2, tiles_3, tiles_4, tiles_5, tiles_6 };

/// "automatic", "direct", "tiles-2" ... "tiles-6". Throws UsageError for another name.
ConvolutionAlgorithm convolution_algorithm(std::string_view name);
std::string_view name_of(ConvolutionAlgorithm algorithm);

/// What the matrix products of convolutions take: the values as they are, or rounded to bf16, where a processor multiplies pairs of them
/// in one step. Sums are f32 in both. To embed with: nothing trains in bf16.
enum class ProductPrecision : unsigned char { f32, bf16 };

/// "f32" or "bf16". Throws UsageError for another name.
ProductPrecision product_precision(std::string_view name);
std::string_view name_of(ProductPrecision precision);
/// Whether the library was compiled for a processor with bf16 dot products (AVX512-BF16).
bool has_bf16_products();

/// Scratch memory in bytes: of worker 0, who also holds what all share, and of each other worker.
struct ScratchBytes {
  std::size_t first = 0, others = 0;

  std::size_t total(int threads) const { return first + others * static_cast<std::size_t>(threads - 1); }
  /// Enough for both, one after the other.
  ScratchBytes covering(const ScratchBytes& other) const {
    return {first > other.first ? first : other.first, others > other.others ? others : other.others};
  }
};

/// The CPU backend: a number of threads and their scratch memory. Not for use by two threads at once.
class Cpu {
 public:
  /// `threads` >= 1; 0 takes every core this process may run on. Where `convolution` is automatic, the environment variable
  /// AMNET_CONVOLUTION may name another algorithm: so a whole test suite runs with it. Throws UsageError for bf16 where
  /// has_bf16_products() is false.
  explicit Cpu(int threads = 0, ConvolutionAlgorithm convolution = ConvolutionAlgorithm::automatic,
               ProductPrecision precision = ProductPrecision::f32);

  int threads() const { return threads_; }
  ConvolutionAlgorithm convolution() const { return convolution_; }
  ProductPrecision precision() const { return precision_; }
  /// The scratch memory that is held now.
  std::size_t scratch_bytes() const;
  /// Counts one call of a kernel under the name of the algorithm it took.
  void count(const std::string& name) { ++counts_[name]; }
  /// What was counted so far.
  const std::map<std::string, std::int64_t>& counts() const { return counts_; }
  /// Scratch of at least `bytes`, 64-byte aligned, for worker `thread` in [0, threads()); valid until
  /// the next call for the same worker. It grows and is kept, so that a step allocates nothing.
  std::byte* scratch(int thread, std::size_t bytes);

 private:
  struct Scratch {
    std::shared_ptr<std::byte> memory;
    std::size_t bytes = 0;
  };
  int threads_;
  ConvolutionAlgorithm convolution_;
  ProductPrecision precision_;
  std::map<std::string, std::int64_t> counts_;
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
