#include <amnet/kernels/fill.h>

#include "elementwise.h"

namespace amnet {
namespace {

constexpr std::string_view who = "fill";

template <class T>
struct Fill {
  static constexpr int threads = 256;
  T* values;
  std::int64_t count;
  float value;
  bool packed;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    constexpr int width = Pack<T>::size;
    const std::int64_t packs = packed ? count / width : 0;
    Pack<T> pack;
    for (T& element : pack.elements) element = from_float<T>(value);
    for (std::int64_t p = thread.first(); p < packs; p += thread.step()) store_pack(values + p * width, pack);
    for (std::int64_t i = packs * width + thread.first(); i < count; i += thread.step()) values[i] = pack.elements[0];
  }
};

}  // namespace

void fill(Cuda& cuda, const Tensor& tensor, double value) {
  with_activation(tensor.dtype(), who, [&]<class T>() {
    const Fill<T> kernel{elements<T>(tensor, who), tensor.count(), static_cast<float>(value), starts_a_pack(tensor)};
    const std::int64_t packs = (kernel.count + Pack<T>::size - 1) / Pack<T>::size;
    launch(cuda, blocks_for(cuda, packs, kernel.threads), kernel);
  });
}

}  // namespace amnet
