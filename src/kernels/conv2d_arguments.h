// What convolutions ask of their arguments, in every backend. Throws UsageError.
#pragma once

#include <amnet/kernels/conv2d.h>

#include <string_view>

namespace amnet {

namespace conv2d_arguments {

/// `tensor` has that shape and dtype, or is undefined where it may be.
inline void check_tensor(const Tensor& tensor, const Shape& shape, DType dtype, std::string_view what) {
  require(tensor.defined() && tensor.shape() == shape && tensor.dtype() == dtype, "[conv2d] expected {} {} {} but got {}.", what,
          name_of(dtype), shape, tensor.defined() ? fmt::format("{} {}", name_of(tensor.dtype()), tensor.shape()) : "none");
}
inline void check_optional(const Tensor& tensor, const Shape& shape, DType dtype, std::string_view what) {
  if (tensor.defined()) check_tensor(tensor, shape, dtype, what);
}

inline void check_slope(const Tensor& slope, std::int64_t outputs) {
  require(!slope.defined() || slope.count() == 1 || slope.count() == outputs,
          "[conv2d] expected one slope for each of {} channels, or one in all, but got {}.", outputs, slope.shape());
}

}  // namespace conv2d_arguments

/// w (O,kh,kw,C/groups) for inputs x (N,H,W,C) of `dtype`.
inline void check_conv2d_weights(const Conv2dGeometry& geometry, const Shape& x, const Tensor& w, DType dtype) {
  require(w.rank() == 4, "[conv2d] expected weights (O,kh,kw,C/groups) but got {}.", w.shape());
  geometry.output_shape(x, w.extent(0));
  conv2d_arguments::check_tensor(w, geometry.weight_shape(x[3], w.extent(0)), exact_dtype(dtype), "weights");
}

inline void check_conv2d_forward(const Conv2dGeometry& geometry, const Tensor& x, const Tensor& w, const Conv2dEpilogue& epilogue,
                                 const Tensor& y) {
  using namespace conv2d_arguments;
  check_conv2d_weights(geometry, x.shape(), w, x.dtype());
  const std::int64_t outputs = w.extent(0);
  const Shape shape = geometry.output_shape(x.shape(), outputs);
  check_tensor(y, shape, x.dtype(), "outputs");
  check_optional(epilogue.bias, {outputs}, exact_dtype(x.dtype()), "a bias");
  check_optional(epilogue.residual, shape, x.dtype(), "a residual");
  check_optional(epilogue.sums, shape, x.dtype(), "room for the sums,");
  check_slope(epilogue.slope, outputs);
}

inline void check_conv2d_backward(const Conv2dGeometry& geometry, const Tensor& x, const Tensor& w, const Conv2dActivation& activation,
                                  const Tensor& dy, const Conv2dGradients& gradients) {
  using namespace conv2d_arguments;
  const auto check_pass = [&](const Tensor& input, const Tensor& weights) {
    check_tensor(input, input.shape(), dy.dtype(), "an input");
    check_conv2d_weights(geometry, input.shape(), weights, dy.dtype());
    check_tensor(dy, geometry.output_shape(input.shape(), weights.extent(0)), dy.dtype(), "output gradients");
  };
  if (gradients.dx) check_pass(gradients.dx.tensor, w);
  if (gradients.dw) check_pass(x, gradients.dw.tensor);
  const std::int64_t outputs = dy.extent(dy.rank() - 1);
  check_slope(activation.slope, outputs);
  check_optional(activation.sums, dy.shape(), dy.dtype(), "the sums of the forward pass,");
  check_optional(activation.dz, dy.shape(), dy.dtype(), "room for dz,");
  require(!activation.slope.defined() || (activation.sums.defined() && activation.dz.defined() && activation.dz.raw() != dy.raw()),
          "[conv2d] a backward pass through a PReLU needs the sums that forward kept, and room of its own for dz.");
  check_optional(gradients.dbias.tensor, {outputs}, exact_dtype(dy.dtype()), "a bias gradient");
  check_optional(gradients.dslope.tensor, activation.slope.shape(), exact_dtype(dy.dtype()), "a slope gradient");
}

}  // namespace amnet
