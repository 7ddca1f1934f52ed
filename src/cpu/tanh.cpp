#include <amnet/kernels/tanh.h>

#include <cmath>

#include "lanes.h"

namespace amnet {

void tanh_forward(Cpu& cpu, const Tensor& x, const Tensor& y) {
  with_float(x.dtype(), "tanh", [&]<class T>() {
    const T* in = x.data<T>().data();
    T* out = y.data<T>().data();
    for_elements(cpu, x.count(), [=](std::int64_t i) { out[i] = std::tanh(in[i]); });
  });
}

void tanh_backward(Cpu& cpu, const Tensor& y, const Tensor& dy, const Gradient& dx) {
  if (!dx) return;
  with_float(y.dtype(), "tanh", [&]<class T>() {
    const T* out = y.data<T>().data();
    const T* dout = dy.data<T>().data();
    T* din = dx.tensor.data<T>().data();
    for_elements(cpu, y.count(), [=, write = dx.write](std::int64_t i) { put(din[i], dout[i] * (1 - out[i] * out[i]), write); });
  });
}

}  // namespace amnet
