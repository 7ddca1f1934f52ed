#include <amnet/kernels/prelu.h>

#include "column_sums.h"
#include "elementwise.h"
#include "kernels/arguments.h"

namespace amnet {
namespace {

constexpr std::string_view who = "prelu";

/// `step` is 1 for a slope of each channel and 0 for one shared slope.
struct Slopes {
  const float* values;
  std::int64_t step;
  AMNET_DEVICE float at(std::int64_t channel) const { return values[channel * step]; }
};

Slopes slopes_of(const Tensor& x, const Tensor& slope, const Tensor& other) {
  check_prelu(x, slope, other);
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

  template <int width>
  AMNET_DEVICE void operator()(std::int64_t i, std::int64_t channel, float (&sums)[1][width]) const {
    const Pack<T, width> in = load_pack<width>(x + i), gradients = load_pack<width>(dy + i);
    Pack<T, width> out{};
    if (dx != nullptr && write == Write::add) out = load_pack<width>(dx + i);
    for (int e = 0; e < width; ++e) {
      const float values[2] = {to_float(in.elements[e]), to_float(gradients.elements[e])};
      put(out.elements[e], rectify(values, channel + e), write);
      if (!(values[0] > 0)) sums[0][e] += values[0] * values[1];
    }
    if (dx != nullptr) store_pack(dx + i, out);
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
    const bool packed = starts_a_pack(x) && starts_a_pack(dy) && (!dx || starts_a_pack(dx.tensor));
    column_sums<T>(cuda, body, column_rows(x), channels, packed, {sums_to(dslope, channels, who)});
  });
}

}  // namespace amnet
