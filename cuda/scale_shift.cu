#include <amnet/kernels/scale_shift.h>

#include "column_sums.h"
#include "elementwise.h"
#include "kernels/arguments.h"

namespace amnet {
namespace {

constexpr std::string_view who = "scale_shift";

/// `step` is 1 for a scale of each channel and 0 for one shared scale.
struct ScaleShift {
  const float* scales;
  const float* shifts;  // or nullptr
  std::int64_t step;
  AMNET_DEVICE float operator()(const float (&x)[1], std::int64_t channel) const {
    const float product = x[0] * scales[channel * step];
    return shifts == nullptr ? product : product + shifts[channel * step];
  }
};

ScaleShift scale_shift_of(const Tensor& value, const Tensor& scale, const Tensor& shift) {
  check_scale_shift(value, scale);
  return {elements<const float>(scale, who), elements_or_null<const float>(shift, who), scale.count() == 1 ? 0 : 1};
}

/// All gradients in one pass.
template <class T>
struct AllGradients {
  static constexpr int quantities = 2;
  ScaleShift scale;
  const T* x;  // or nullptr where the gradient of the scale is not needed
  const T* dy;
  T* dx;  // or nullptr
  Write write;

  template <int width>
  AMNET_DEVICE void operator()(std::int64_t i, std::int64_t channel, float (&sums)[2][width]) const {
    const Pack<T, width> gradients = load_pack<width>(dy + i);
    Pack<T, width> in{}, out{};
    if (x != nullptr) in = load_pack<width>(x + i);
    if (dx != nullptr && write == Write::add) out = load_pack<width>(dx + i);
    for (int e = 0; e < width; ++e) {
      const float dout[1] = {to_float(gradients.elements[e])};
      if (x != nullptr) sums[0][e] += to_float(in.elements[e]) * dout[0];
      sums[1][e] += dout[0];
      put(out.elements[e], scale(dout, channel + e), write);
    }
    if (dx != nullptr) store_pack(dx + i, out);  // last: `out` may overwrite x
  }
};

}  // namespace

void scale_shift_forward(Cuda& cuda, const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& y) {
  const ScaleShift body = scale_shift_of(x, scale, shift);
  with_activation(x.dtype(), who, [&]<class T>() { map_elements<T>(cuda, body, {x}, y, Write::assign, who); });
}

void scale_shift_backward(Cuda& cuda, const Tensor& x, const Tensor& scale, const Tensor& dy, const Gradient& dx, const Gradient& dscale,
                          const Gradient& dshift) {
  const ScaleShift body = scale_shift_of(dy, scale, {});
  with_activation(dy.dtype(), who, [&]<class T>() {
    if (!dscale && !dshift) {
      if (dx) map_elements<T>(cuda, body, {dy}, dx.tensor, dx.write, who);
      return;
    }
    const std::int64_t channels = channels_of(dy);
    const AllGradients<T> gradients{.scale = body,
                                    .x = dscale ? elements<const T>(x, who) : nullptr,
                                    .dy = elements<const T>(dy, who),
                                    .dx = dx ? elements<T>(dx.tensor, who) : nullptr,
                                    .write = dx.write};
    const bool packed = starts_a_pack(dy) && (!dscale || starts_a_pack(x)) && (!dx || starts_a_pack(dx.tensor));
    column_sums<T>(cuda, gradients, column_rows(dy), channels, packed, {sums_to(dscale, channels, who), sums_to(dshift, channels, who)});
  });
}

}  // namespace amnet
