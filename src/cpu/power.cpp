#include <amnet/kernels/power.h>

#include <cmath>

#include "lanes.h"

namespace amnet {
namespace {

template <class T>
T constant_of(const PowerFunction& function) {
  return static_cast<T>(function.power == 0 ? 1 : std::pow(function.shift, function.power));
}

}  // namespace

void power_forward(Cpu& cpu, const PowerFunction& function, const Tensor& x, const Tensor& y) {
  with_float(x.dtype(), "power", [&]<class T>() {
    const T* in = x.data<T>().data();
    T* out = y.data<T>().data();
    const auto power = static_cast<T>(function.power), scale = static_cast<T>(function.scale), shift = static_cast<T>(function.shift);
    if (power == 0 || scale == 0) {
      for_elements(cpu, x.count(), [out, value = constant_of<T>(function)](std::int64_t i) { out[i] = value; });
    } else if (power == 1) {
      for_elements(cpu, x.count(), [=](std::int64_t i) { out[i] = scale * in[i] + shift; });
    } else if (power == 2) {
      for_elements(cpu, x.count(), [=](std::int64_t i) {
        const T base = scale * in[i] + shift;
        out[i] = base * base;
      });
    } else {
      for_elements(cpu, x.count(), [=](std::int64_t i) { out[i] = std::pow(scale * in[i] + shift, power); });
    }
  });
}

void power_backward(Cpu& cpu, const PowerFunction& function, const Tensor& x, const Tensor& dy, const Gradient& dx) {
  if (!dx) return;
  with_float(dy.dtype(), "power", [&]<class T>() {
    const T* dout = dy.data<T>().data();
    T* din = dx.tensor.data<T>().data();
    const auto power = static_cast<T>(function.power), scale = static_cast<T>(function.scale), shift = static_cast<T>(function.shift);
    const T factor = power * scale;
    if (!function.is_curved()) {
      for_elements(cpu, dy.count(), [=, write = dx.write](std::int64_t i) { put(din[i], factor * dout[i], write); });
      return;
    }
    const T* in = x.data<T>().data();
    if (power == 2) {
      for_elements(cpu, dy.count(),
                   [=, write = dx.write](std::int64_t i) { put(din[i], factor * (scale * in[i] + shift) * dout[i], write); });
    } else {
      for_elements(cpu, dy.count(), [=, write = dx.write](std::int64_t i) {
        put(din[i], factor * std::pow(scale * in[i] + shift, power - 1) * dout[i], write);
      });
    }
  });
}

}  // namespace amnet
