#include <amnet/kernels/sigmoid.h>

#include <cmath>

#include "lanes.h"

namespace amnet {

void sigmoid_forward(Cpu& cpu, const Tensor& x, const Tensor& y) {
  with_float(x.dtype(), "sigmoid", [&]<class T>() {
    const T* in = x.data<T>().data();
    T* out = y.data<T>().data();
    for_elements(cpu, x.count(), [=](std::int64_t i) { out[i] = 1 / (1 + std::exp(-in[i])); });
  });
}

void sigmoid_backward(Cpu& cpu, const Tensor& y, const Tensor& dy, const Gradient& dx) {
  if (!dx) return;
  with_float(y.dtype(), "sigmoid", [&]<class T>() {
    const T* out = y.data<T>().data();
    const T* dout = dy.data<T>().data();
    T* din = dx.tensor.data<T>().data();
    for_elements(cpu, y.count(), [=, write = dx.write](std::int64_t i) { put(din[i], dout[i] * (out[i] * (1 - out[i])), write); });
  });
}

}  // namespace amnet
