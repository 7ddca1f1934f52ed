#include <amnet/kernels/relu.h>

#include "lanes.h"

namespace amnet {

void relu_forward(Cpu& cpu, const Tensor& x, const Tensor& y) {
  with_float(x.dtype(), "relu", [&]<class T>() {
    const T* in = x.data<T>().data();
    T* out = y.data<T>().data();
    for_elements(cpu, x.count(), [=](std::int64_t i) { out[i] = in[i] < 0 ? T{0} : in[i]; });
  });
}

void relu_backward(Cpu& cpu, const Tensor& y, const Tensor& dy, const Gradient& dx) {
  if (!dx) return;
  with_float(y.dtype(), "relu", [&]<class T>() {
    const T* out = y.data<T>().data();
    const T* dout = dy.data<T>().data();
    T* din = dx.tensor.data<T>().data();
    for_elements(cpu, y.count(), [=, write = dx.write](std::int64_t i) { put(din[i], out[i] > 0 ? dout[i] : T{0}, write); });
  });
}

}  // namespace amnet
