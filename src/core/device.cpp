#include <amnet/core/device.h>
#include <amnet/core/error.h>
#include <amnet/core/processors.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace amnet {
namespace {

// In the order of ConvolutionAlgorithm.
constexpr std::array<std::string_view, 7> convolution_algorithm_names = {"automatic", "direct",  "tiles-2", "tiles-3",
                                                                         "tiles-4",   "tiles-5", "tiles-6"};

}  // namespace

ConvolutionAlgorithm convolution_algorithm(std::string_view name) {
  const auto* known = std::ranges::find(convolution_algorithm_names, name);
  if (known != convolution_algorithm_names.end()) return static_cast<ConvolutionAlgorithm>(known - convolution_algorithm_names.begin());
  throw UsageError(fmt::format("[cpu] expected a convolution algorithm (automatic, direct, tiles-2 … tiles-6) but got '{}'.", name));
}

std::string_view name_of(ConvolutionAlgorithm algorithm) { return convolution_algorithm_names.at(static_cast<std::size_t>(algorithm)); }

ProductPrecision product_precision(std::string_view name) {
  for (const ProductPrecision precision : {ProductPrecision::f32, ProductPrecision::tf32, ProductPrecision::bf16}) {
    if (name == name_of(precision)) return precision;
  }
  throw UsageError(fmt::format("[device] expected a precision of products, f32, tf32 or bf16, but got '{}'.", name));
}

std::string_view name_of(ProductPrecision precision) {
  switch (precision) {
    case ProductPrecision::f32: return "f32";
    case ProductPrecision::tf32: return "tf32";
    case ProductPrecision::bf16: return "bf16";
  }
  return "?";
}

bool has_bf16_products() {
#if defined(__AVX512BF16__)
  return true;
#else
  return false;
#endif
}

Cpu::Cpu(int threads, ConvolutionAlgorithm convolution, ProductPrecision precision)
    : threads_(threads == 0 ? usable_processors() : threads), convolution_(convolution), precision_(precision) {
  require(threads >= 0 && threads <= 1024, "[cpu] expected between 1 and 1024 threads (0 takes all that the process may use) but got {}.",
          threads);
  require(precision != ProductPrecision::tf32, "[cpu] expected f32 or bf16 but got tf32, which only a GPU has.");
  require(precision == ProductPrecision::f32 || has_bf16_products(),
          "[cpu] expected a build for a processor with bf16 dot products (AVX512-BF16) but got {}; build on such a machine, or use f32.",
          simd_level());
  const char* wanted = std::getenv("AMNET_CONVOLUTION");
  if (convolution == ConvolutionAlgorithm::automatic && wanted != nullptr) convolution_ = convolution_algorithm(wanted);
  scratch_.resize(static_cast<std::size_t>(threads_));
}

std::size_t Cpu::scratch_bytes() const {
  std::size_t bytes = 0;
  for (const Scratch& scratch : scratch_) bytes += scratch.bytes;
  return bytes;
}

std::byte* Cpu::scratch(int thread, std::size_t bytes) {
  Scratch& scratch = scratch_[static_cast<std::size_t>(thread)];
  if (scratch.bytes < bytes) {
    scratch.memory.reset();
    scratch.memory = allocate(Memory::host, bytes);
    scratch.bytes = bytes;
  }
  return scratch.memory.get();
}

#if !defined(AMNET_CUDA)
int cuda_devices() { return 0; }
#endif

const char* simd_level() {
#if defined(__AVX512F__)
  return "AVX-512";
#elif defined(__AVX2__)
  return "AVX2";
#elif defined(__AVX__)
  return "AVX";
#elif defined(__SSE2__)
  return "SSE2";
#elif defined(__ARM_NEON)
  return "NEON";
#else
  return "scalar";
#endif
}

}  // namespace amnet
