// A fully connected layer is a 1x1 convolution over one image of one row, whose pixels are the samples.
#include <amnet/kernels/fully_connected.h>

#include "direct_convolution.h"

namespace amnet {
namespace {

void check(const Tensor& x, const Tensor& w, const Tensor& y) {
  require(x.rank() == 2 && w.rank() == 2 && w.extent(1) == x.extent(1),
          "[fully_connected] expected x (N,I) and weights (O,I) with one I but got {} and {}.", x.shape(), w.shape());
  require(y.shape() == Shape{x.extent(0), w.extent(0)}, "[fully_connected] expected outputs {} but got {}.",
          Shape{x.extent(0), w.extent(0)}, y.shape());
}

Tensor as_image(const Tensor& rows) { return rows.reshaped({1, 1, rows.extent(0), rows.extent(1)}); }
Tensor as_kernels(const Tensor& rows) { return rows.reshaped({rows.extent(0), 1, 1, rows.extent(1)}); }

}  // namespace

void fully_connected_forward(Cpu& cpu, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) {
  check(x, w, y);
  require(!bias.defined() || bias.shape() == Shape{w.extent(0)}, "[fully_connected] expected a bias {} but got {}.", Shape{w.extent(0)},
          bias.shape());
  if (x.extent(0) == 0) return;
  with_float(x.dtype(), "fully_connected", [&]<class T>() {
    direct_forward<T>(cpu, {}, as_image(x), as_kernels(w), as_image(y).shape(),
                      {.bias = bias.defined() ? bias.data<T>().data() : nullptr, .y = y.data<T>().data()});
  });
}

void fully_connected_backward_data(Cpu& cpu, const Tensor& dy, const Tensor& w, const Gradient& dx) {
  if (!dx) return;
  check(dx.tensor, w, dy);
  if (dy.extent(0) == 0) return;
  direct_backward_data(cpu, {}, as_image(dy), as_kernels(w), {as_image(dx.tensor), dx.write});
}

void fully_connected_backward_weights(Cpu& cpu, const Tensor& x, const Tensor& dy, const Gradient& dw) {
  if (!dw) return;
  check(x, dw.tensor, dy);
  if (x.extent(0) == 0) {
    if (dw.write == Write::assign) dw.tensor.clear();
    return;
  }
  direct_backward_weights(cpu, {}, as_image(x), as_image(dy), {as_kernels(dw.tensor), dw.write});
}

}  // namespace amnet
