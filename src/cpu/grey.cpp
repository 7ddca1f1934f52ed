#include <amnet/kernels/grey.h>

#include <array>

#include "kernels/arguments.h"
#include "lanes.h"

namespace amnet {
namespace {

std::array<double, 3> factors_of(ChannelOrder order) {
  constexpr double blue = 0.114, green = 0.587, red = 0.299;
  return order == ChannelOrder::bgr ? std::array{blue, green, red} : std::array{red, green, blue};
}

}  // namespace

void grey_forward(Cpu& cpu, ChannelOrder order, const Tensor& x, const Tensor& y) {
  const std::array<double, 3> factors = factors_of(order);
  with_float(x.dtype(), "grey", [&]<class T>() {
    const T* in = x.data<T>().data();
    T* out = y.data<T>().data();
    const auto [blue, green, red] = std::array{static_cast<T>(factors[0]), static_cast<T>(factors[1]), static_cast<T>(factors[2])};
    for_rows(cpu, x.extent(0), y.shape().count_from(1),
             [&, blue = blue, green = green, red = red, pixels = y.shape().count_from(1)](std::int64_t image) {
               for (std::int64_t i = image * pixels; i < (image + 1) * pixels; ++i)
                 out[i] = blue * in[3 * i] + green * in[3 * i + 1] + red * in[3 * i + 2];
             });
  });
}

void grey_backward(Cpu& cpu, ChannelOrder order, const Tensor& dy, const Gradient& dx) {
  if (!dx) return;
  const std::array<double, 3> factors = factors_of(order);
  with_float(dy.dtype(), "grey", [&]<class T>() {
    const T* slope = dy.data<T>().data();
    T* to = dx.tensor.data<T>().data();
    for_rows(cpu, dy.extent(0), dy.shape().count_from(1), [&, pixels = dy.shape().count_from(1)](std::int64_t image) {
      for (std::int64_t i = image * pixels; i < (image + 1) * pixels; ++i) {
        for (std::size_t c = 0; c < 3; ++c) put(to[3 * i + static_cast<std::int64_t>(c)], static_cast<T>(factors[c]) * slope[i], dx.write);
      }
    });
  });
}

}  // namespace amnet
