#include <amnet/kernels/finite.h>

#include "elementwise.h"

namespace amnet {
namespace {

constexpr std::string_view who = "finite";

template <class T>
struct FindBad {
  static constexpr int threads = 256;
  const T* values;
  std::int64_t count;
  bool packed;
  std::uint8_t* found;  // every thread that finds one writes the same value

  AMNET_DEVICE void operator()(const Thread& thread) const {
    constexpr int width = Pack<T>::size;
    const std::int64_t packs = packed ? count / width : 0;
    float zero = 0;  // x - x is 0 for a finite x and NaN otherwise, and a NaN stays in the sum
    for (std::int64_t p = thread.first(); p < packs; p += thread.step()) {
      const Pack<T> pack = load_pack(values + p * width);
      for (int e = 0; e < width; ++e) zero += to_float(pack.elements[e]) - to_float(pack.elements[e]);
    }
    for (std::int64_t i = packs * width + thread.first(); i < count; i += thread.step()) zero += to_float(values[i]) - to_float(values[i]);
    if (zero != 0) *found = 1;
  }
};

void raise(Cuda& cuda, const Tensor& tensor, std::uint8_t* flag) {
  with_activation(tensor.dtype(), who, [&]<class T>() {
    const T* values = elements<const T>(tensor, who);
    const std::int64_t packs = (tensor.count() + Pack<T>::size - 1) / Pack<T>::size;
    launch(cuda, blocks_for(cuda, packs, FindBad<T>::threads), FindBad<T>{values, tensor.count(), starts_a_pack(tensor), flag});
  });
}

}  // namespace

bool all_finite(Cuda& cuda, const Tensor& tensor) {
  std::uint8_t found = 0;
  auto* flag = cuda.state().scratch_of<std::uint8_t>(1);
  check(cudaMemsetAsync(flag, 0, sizeof *flag, cuda.state().stream), "cudaMemsetAsync");
  raise(cuda, tensor, flag);
  check(cudaMemcpyAsync(&found, flag, sizeof found, cudaMemcpyDefault, cuda.state().stream), "cudaMemcpyAsync");
  cuda.wait();
  return found == 0;
}

void raise_unless_finite(Cuda& cuda, const Tensor& tensor, const Tensor& flag) { raise(cuda, tensor, elements<std::uint8_t>(flag, who)); }

}  // namespace amnet
