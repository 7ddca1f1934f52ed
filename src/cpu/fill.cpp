#include <amnet/kernels/fill.h>

#include "lanes.h"

namespace amnet {

void fill(Cpu& cpu, const Tensor& tensor, double value) {
  with_float(tensor.dtype(), "fill", [&]<class T>() {
    T* out = tensor.data<T>().data();
    for_elements(cpu, tensor.count(), [out, element = static_cast<T>(value)](std::int64_t i) { out[i] = element; });
  });
}

}  // namespace amnet
