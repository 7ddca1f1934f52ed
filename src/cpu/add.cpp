#include <amnet/kernels/add.h>

#include "lanes.h"

namespace amnet {

void add_forward(Cpu& cpu, std::span<const Tensor> xs, const Tensor& y) {
  with_float(y.dtype(), "add", [&]<class T>() {
    T* out = y.data<T>().data();
    const T* first = xs[0].data<T>().data();
    const T* second = xs[1].data<T>().data();
    for_elements(cpu, y.count(), [=](std::int64_t i) { out[i] = first[i] + second[i]; });
    for (const Tensor& x : xs.subspan(2)) {
      const T* next = x.data<T>().data();
      for_elements(cpu, y.count(), [=](std::int64_t i) { out[i] += next[i]; });
    }
  });
}

void add_backward(Cpu& cpu, const Tensor& dy, const Gradient& dx) {
  if (!dx) return;
  with_float(dy.dtype(), "add", [&]<class T>() {
    const T* dout = dy.data<T>().data();
    T* din = dx.tensor.data<T>().data();
    for_elements(cpu, dy.count(), [=, write = dx.write](std::int64_t i) { put(din[i], dout[i], write); });
  });
}

}  // namespace amnet
