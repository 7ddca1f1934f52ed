#include <amnet/kernels/relu.h>

#include "elementwise.h"

namespace amnet {
namespace {

constexpr std::string_view who = "relu";

/// A NaN is not below 0, so it stays visible.
struct Rectify {
  AMNET_DEVICE float operator()(const float (&x)[1], std::int64_t) const { return x[0] < 0 ? 0 : x[0]; }
};
/// Of (y, dy).
struct PassWherePositive {
  AMNET_DEVICE float operator()(const float (&values)[2], std::int64_t) const { return values[0] > 0 ? values[1] : 0; }
};

/// With a slope below 0.
struct Leak {
  float slope;
  AMNET_DEVICE float operator()(const float (&x)[1], std::int64_t) const { return x[0] < 0 ? slope * x[0] : x[0]; }
};
/// Of (y, dy).
struct LeakBackward {
  float slope;
  AMNET_DEVICE float operator()(const float (&values)[2], std::int64_t) const { return values[0] > 0 ? values[1] : slope * values[1]; }
};

}  // namespace

void relu_forward(Cuda& cuda, const Tensor& x, const Tensor& y, double slope) {
  with_activation(x.dtype(), who, [&]<class T>() {
    if (slope == 0) {
      map_elements<T>(cuda, Rectify{}, {flat(x)}, flat(y), Write::assign, who);
    } else {
      map_elements<T>(cuda, Leak{static_cast<float>(slope)}, {flat(x)}, flat(y), Write::assign, who);
    }
  });
}

void relu_backward(Cuda& cuda, const Tensor& y, const Tensor& dy, const Gradient& dx, double slope) {
  if (!dx) return;
  with_activation(y.dtype(), who, [&]<class T>() {
    if (slope == 0) {
      map_elements<T>(cuda, PassWherePositive{}, {flat(y), flat(dy)}, flat(dx.tensor), dx.write, who);
    } else {
      map_elements<T>(cuda, LeakBackward{static_cast<float>(slope)}, {flat(y), flat(dy)}, flat(dx.tensor), dx.write, who);
    }
  });
}

}  // namespace amnet
