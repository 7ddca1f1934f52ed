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

}  // namespace

void relu_forward(Cuda& cuda, const Tensor& x, const Tensor& y) {
  with_activation(x.dtype(), who, [&]<class T>() { map_elements<T>(cuda, Rectify{}, {flat(x)}, flat(y), Write::assign, who); });
}

void relu_backward(Cuda& cuda, const Tensor& y, const Tensor& dy, const Gradient& dx) {
  if (!dx) return;
  with_activation(y.dtype(), who, [&]<class T>() {
    map_elements<T>(cuda, PassWherePositive{}, {flat(y), flat(dy)}, flat(dx.tensor), dx.write, who);
  });
}

}  // namespace amnet
