// ReLU: y = max(x, 0); a NaN stays a NaN, so that a broken activation stays visible.
//
//   relu_forward(cpu, x, y);
//   relu_backward(cpu, y, dy, {dx, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// x, y: of one shape and floating-point dtype.
void relu_forward(Cpu& cpu, const Tensor& x, const Tensor& y);
void relu_forward(Cuda& cuda, const Tensor& x, const Tensor& y);

/// dx = dy where y > 0, 0 elsewhere. Reads the output, not the input.
void relu_backward(Cpu& cpu, const Tensor& y, const Tensor& dy, const Gradient& dx);
void relu_backward(Cuda& cuda, const Tensor& y, const Tensor& dy, const Gradient& dx);

}  // namespace amnet
