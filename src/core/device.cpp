#include <amnet/core/device.h>
#include <amnet/core/error.h>
#include <amnet/core/processors.h>

#include <cstdlib>

namespace amnet {
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
  if (convolution == ConvolutionAlgorithm::automatic && wanted != nullptr)
    convolution_ = named<ConvolutionAlgorithm>(wanted, "AMNET_CONVOLUTION");
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
