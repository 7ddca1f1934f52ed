#include <amnet/kernels/prelu.h>

#include "column_sums.h"
#include "elementwise.h"

namespace amnet {
namespace {

constexpr std::string_view who = "prelu";

/// With `step` 1 for a slope of each channel and 0 for one in all.
struct Slopes {
  const float* values;
  std::int64_t step;
  AMNET_DEVICE float at(std::int64_t channel) const { return values[channel * step]; }
};

Slopes slopes_of(const Tensor& x, const Tensor& slope, const Tensor& other) {
  require(slope.count() == channels_of(x) || slope.count() == 1,
          "[prelu] expected one slope for each of {} channels, or one in all, but got {}.", channels_of(x), slope.shape());
  require(other.shape() == x.shape() && other.dtype() == x.dtype(), "[prelu] expected the other side as {} {} but got {} {}.",
          name_of(x.dtype()), x.shape(), name_of(other.dtype()), other.shape());
  return {elements<const float>(slope, who), slope.count() == 1 ? 0 : 1};
}

/// x > 0 ? v : slope v, of (x, v): the backward with v = dy.
struct Rectify {
  Slopes slopes;
  AMNET_DEVICE float operator()(const float (&x)[1], std::int64_t channel) const { return x[0] > 0 ? x[0] : slopes.at(channel) * x[0]; }
  AMNET_DEVICE float operator()(const float (&x)[2], std::int64_t channel) const { return x[0] > 0 ? x[1] : slopes.at(channel) * x[1]; }
};

/// Both gradients in one pass over x and dy.
template <class T>
struct BothGradients {
  static constexpr int quantities = 1;
  Rectify rectify;
  const T *x, *dy;
  T* dx;  // or nullptr
  Write write;

  AMNET_DEVICE void operator()(std::int64_t i, std::int64_t channel, float (&sums)[1]) const {
    const float values[2] = {to_float(x[i]), to_float(dy[i])};
    if (dx != nullptr) put(dx[i], rectify(values, channel), write);
    if (!(values[0] > 0)) sums[0] += values[0] * values[1];
  }
};

}  // namespace

void prelu_forward(Cuda& cuda, const Tensor& x, const Tensor& slope, const Tensor& y) {
  const Rectify rectify{slopes_of(x, slope, y)};
  with_activation(x.dtype(), who, [&]<class T>() { map_elements<T>(cuda, rectify, {x}, y, Write::assign, who); });
}

void prelu_backward(Cuda& cuda, const Tensor& x, const Tensor& slope, const Tensor& dy, const Gradient& dx, const Gradient& dslope) {
  const Rectify rectify{slopes_of(x, slope, dy)};
  with_activation(x.dtype(), who, [&]<class T>() {
    if (!dslope) {
      if (dx) map_elements<T>(cuda, rectify, {x, dy}, dx.tensor, dx.write, who);
      return;
    }
    const std::int64_t channels = channels_of(x);
    const BothGradients<T> body{.rectify = rectify,
                                .x = elements<const T>(x, who),
                                .dy = elements<const T>(dy, who),
                                .dx = dx ? elements<T>(dx.tensor, who) : nullptr,
                                .write = dx.write};
    column_sums(cuda, body, x.count() / std::max<std::int64_t>(1, channels), channels, {sums_to(dslope, channels, who)});
  });
}

}  // namespace amnet
