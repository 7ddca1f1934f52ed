// Element-wise sum: y = x_0 + x_1 + ..., added in that order.
//
//   add_forward(cpu, std::array{x0, x1, x2}, y);
//   add_backward(cpu, dy, {dx0, Write::assign});   // and so for each of the others
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

#include <span>

namespace amnet {

/// xs: two or more, and y: all of one shape and floating-point dtype.
void add_forward(Cpu& cpu, std::span<const Tensor> xs, const Tensor& y);
void add_forward(Cuda& cuda, std::span<const Tensor> xs, const Tensor& y);

/// dx = dy, for each of the inputs.
void add_backward(Cpu& cpu, const Tensor& dy, const Gradient& dx);
void add_backward(Cuda& cuda, const Tensor& dy, const Gradient& dx);

}  // namespace amnet
