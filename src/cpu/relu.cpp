#include <amnet/kernels/relu.h>

#include "lanes.h"

namespace amnet {

void relu_forward(Cpu& cpu, const Tensor& x, const Tensor& y, double slope) {
  with_float(x.dtype(), "relu", [&]<class T>() {
    const T* in = x.data<T>().data();
    T* out = y.data<T>().data();
    if (slope == 0) {
      for_elements(cpu, x.count(), [=](std::int64_t i) { out[i] = in[i] < 0 ? T{0} : in[i]; });
    } else {
      for_elements(cpu, x.count(), [=, below = static_cast<T>(slope)](std::int64_t i) { out[i] = in[i] < 0 ? below * in[i] : in[i]; });
    }
  });
}

void relu_backward(Cpu& cpu, const Tensor& y, const Tensor& dy, const Gradient& dx, double slope) {
  if (!dx) return;
  with_float(y.dtype(), "relu", [&]<class T>() {
    const T* out = y.data<T>().data();
    const T* dout = dy.data<T>().data();
    T* din = dx.tensor.data<T>().data();
    if (slope == 0) {
      for_elements(cpu, y.count(), [=, write = dx.write](std::int64_t i) { put(din[i], out[i] > 0 ? dout[i] : T{0}, write); });
    } else {
      for_elements(cpu, y.count(), [=, write = dx.write, below = static_cast<T>(slope)](std::int64_t i) {
        put(din[i], out[i] > 0 ? dout[i] : below * dout[i], write);
      });
    }
  });
}

}  // namespace amnet
