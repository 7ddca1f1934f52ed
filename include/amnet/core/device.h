// Where tensors live and kernels run. A backend is one type; kernels are chosen by overload on it,
// so a kernel that a backend lacks is a link error that names the function.
//
//   Device device = Cpu(2);
//   on(device, [&](auto& backend) { prelu_forward(backend, x, slope, y); });
//
// A build with CUDA defines AMNET_CUDA, for amnet and for every target that links it, and has a
// second backend. This header includes nothing of CUDA.
#pragma once

#include <amnet/core/dtype.h>
#include <amnet/core/memory.h>
#include <amnet/core/named.h>

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

/// How a backend computes convolutions: with the algorithm that it expects to be fastest for each
/// shape, all directly, or all by Winograd tiles of one size where the shape allows tiles. For
/// measurements, and to find out whether an algorithm causes an error.
enum class ConvolutionAlgorithm : unsigned char { automatic, direct, winograd_2, winograd_3, winograd_4, winograd_5, winograd_6 };
constexpr std::array<std::string_view, 7> names_of(ConvolutionAlgorithm) {
  return {"automatic", "direct", "tiles-2", "tiles-3", "tiles-4", "tiles-5", "tiles-6"};
}

/// What matrix products take: f32 values as they are, or rounded to tf32 (10 bits after the point;
/// GPUs) or to bf16 (7 bits) for units that multiply those faster. Sums are f32 in all three. On a
/// CPU bf16 is used for the convolutions of an inference alone; on a GPU activations are bf16 too,
/// also in training: parameters, features and logits stay f32.
enum class ProductPrecision : unsigned char { f32, tf32, bf16 };
constexpr std::array<std::string_view, 3> names_of(ProductPrecision) { return {"f32", "tf32", "bf16"}; }
/// Whether the library was compiled for a processor with bf16 dot products (AVX512-BF16).
bool has_bf16_products();

/// Scratch memory in bytes: of worker 0, which also holds the shared part, and of each other
/// worker.
struct ScratchBytes {
  std::size_t first = 0, others = 0;

  std::size_t total(int threads) const { return first + others * static_cast<std::size_t>(threads - 1); }
  /// Enough for both, one after the other.
  ScratchBytes covering(const ScratchBytes& other) const {
    return {first > other.first ? first : other.first, others > other.others ? others : other.others};
  }
};

/// The CPU backend: a number of threads and their scratch memory. Not for use by two threads at
/// once.
class Cpu {
 public:
  /// `threads` >= 1; 0 takes usable_processors() (core/processors.h). Where `convolution` is
  /// automatic, the environment variable AMNET_CONVOLUTION may name another algorithm, so that a
  /// whole test suite can run with it. Throws UsageError for bf16 where has_bf16_products() is
  /// false.
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
  /// Does nothing: a call on a CPU returns when its work is done.
  void wait() const {}
  /// Scratch of at least `bytes`, 64-byte aligned, for worker `thread` in [0, threads()); valid
  /// until the next call for the same worker. It grows and is kept, so that a step allocates
  /// nothing.
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

/// How a GPU is to be used.
struct CudaOptions {
  int index = 0;  ///< of the GPU, as the driver counts
  ProductPrecision precision = ProductPrecision::f32;
  /// the same bits in every run, or UsageError from the first operation that cannot give them
  bool deterministic = false;
  /// whether work that repeats is recorded once (kernels/replay.h); else every kernel is launched
  /// each time
  bool graphs = true;
};

/// The GPU time of one kind of kernel.
struct KernelTime {
  std::string name;
  std::int64_t calls = 0;
  double seconds = 0;  ///< of all calls together
};

struct CudaState;  // cuda/state.h

/// The CUDA backend: one GPU, its stream, and the handles of its libraries. Copies share them. Not
/// for use by two threads at once, and all Cuda values of a process are of one GPU.
class Cuda {
 public:
  /// Throws UsageError where there is no such GPU or no driver, saying what was found.
  explicit Cuda(CudaOptions options = {});

  const CudaOptions& options() const;
  ProductPrecision precision() const { return options().precision; }
  /// One: all work on a GPU shares its scratch memory.
  int threads() const { return 1; }
  /// "NVIDIA H100 80GB HBM3".
  const std::string& name() const;
  /// "CUDA 13.0 (driver: 13.1), cuDNN 9.19.0".
  std::string libraries() const;
  /// The scratch memory that is held now.
  std::size_t scratch_bytes() const;
  /// How much less GPU memory is free than before this object took any: tensors, scratch, handles
  /// and loaded kernels, and what other processes took meanwhile.
  std::size_t taken_bytes() const;
  /// Turns on the timing of every kernel on the GPU, which costs a few microseconds each, or turns
  /// it off, which discards the times.
  void time_kernels(bool on);
  /// The times of all kernels since the timing was turned on, the longest first. Waits for them.
  std::vector<KernelTime> kernel_times();
  /// Counts one call of a kernel under the name of the algorithm it took, as Cpu does.
  void count(const std::string& name);
  const std::map<std::string, std::int64_t>& counts() const;
  /// Waits until all work that was launched is done. Throws DeviceError for a failure in that work.
  void wait();

  CudaState& state() const { return *state_; }

 private:
  std::shared_ptr<CudaState> state_;
};

/// How many GPUs this process can use: 0 without a driver, and in a build without CUDA.
int cuda_devices();

/// The backends that were built.
#if defined(AMNET_CUDA)
using Device = std::variant<Cpu, Cuda>;
#else
using Device = std::variant<Cpu>;
#endif

/// Where the tensors of a device are.
Memory memory_of(const Device& device);
/// The dtype that a net for the device has: bf16 where a GPU computes in it, f32 elsewhere.
DType activation_dtype(const Device& device);
/// "cpu with 2 thread(s)", "cuda:0 (NVIDIA H100 80GB HBM3), bf16".
std::string description_of(const Device& device);

/// Calls `body(backend)` with the backend that `device` holds.
template <class Body>
decltype(auto) on(Device& device, Body&& body) {
  return std::visit(std::forward<Body>(body), device);
}

/// The vector instruction set the library's kernels were compiled for: "AVX-512", "AVX2", "SSE2",
/// "NEON" or "scalar".
const char* simd_level();

}  // namespace amnet
