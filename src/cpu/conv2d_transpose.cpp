#include <amnet/kernels/bias.h>
#include <amnet/kernels/conv2d_transpose.h>

#include "lanes.h"

namespace amnet {
namespace {

void check(const Conv2dGeometry& geometry, const Tensor& x, const Tensor& y) {
  require(y.rank() == 4, "[conv2d_transpose] expected outputs (N,OH,OW,O) but got {}.", y.shape());
  const Shape wanted = conv2d_transpose_output_shape(geometry, x.shape(), y.extent(3));
  require(y.shape() == wanted && y.dtype() == x.dtype(), "[conv2d_transpose] expected the other side as {} {} but got {} {}.",
          name_of(x.dtype()), wanted, name_of(y.dtype()), y.shape());
}

}  // namespace

void conv2d_transpose_forward(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& x, const Conv2dWeights& w, const Tensor& bias,
                              const Tensor& y) {
  if (cpu.precision() != ProductPrecision::f32) {
    Cpu exact(cpu.threads(), cpu.convolution());
    return conv2d_transpose_forward(exact, geometry, x, w, bias, y);
  }
  check(geometry, x, y);
  const std::int64_t outputs = y.extent(3);
  require(!bias.defined() || (bias.count() == outputs && bias.dtype() == y.dtype()),
          "[conv2d_transpose] expected a bias {} ({}) but got {} {}.", name_of(y.dtype()), outputs, name_of(bias.dtype()), bias.shape());
  conv2d_backward(cpu, geometry, {}, w, {}, x, {.dx = {y, Write::assign}});
  if (!bias.defined()) return;
  with_float(y.dtype(), "conv2d_transpose", [&]<class T>() {
    T* out = y.data<T>().data();
    const T* plus = bias.data<const T>().data();
    for_rows(cpu, y.count() / outputs, outputs, [=](std::int64_t row) {
      for (std::int64_t o = 0; o < outputs; ++o) out[row * outputs + o] += plus[o];
    });
  });
}

void conv2d_transpose_backward(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& x, const Conv2dWeights& w, const Tensor& dy,
                               const Conv2dTransposeGradients& gradients) {
  const Gradient &dx = gradients.dx, &dw = gradients.dw, &dbias = gradients.dbias;
  if (dx) {
    check(geometry, dx.tensor, dy);
    const Tensor found = dx.write == Write::add ? Tensor(dx.tensor.shape(), dx.tensor.dtype()) : dx.tensor;
    conv2d_forward(cpu, geometry, dy, w, {}, found);
    if (dx.write == Write::add) {
      with_float(dy.dtype(), "conv2d_transpose", [&]<class T>() {
        for_elements(cpu, found.count(),
                     [to = dx.tensor.data<T>().data(), from = found.data<const T>().data()](std::int64_t i) { to[i] += from[i]; });
      });
    }
  }
  if (dw) conv2d_backward(cpu, geometry, dy, {}, {}, x, {.dw = dw});
  bias_backward(cpu, dy, dbias);
}

}  // namespace amnet
