// Softmax of rows: y = exp(x) / sum of exp(x) over the last dimension. The largest element is
// subtracted first, so that nothing overflows.
//
//   softmax_forward(cpu, x, y);
//   softmax_backward(cpu, y, dy, {dx, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// x, y: (..., C), of one floating-point dtype.
void softmax_forward(Cpu& cpu, const Tensor& x, const Tensor& y);
void softmax_forward(Cuda& cuda, const Tensor& x, const Tensor& y);

/// dx = y (dy - <y, dy>). Reads the output, not the input.
void softmax_backward(Cpu& cpu, const Tensor& y, const Tensor& dy, const Gradient& dx);
void softmax_backward(Cuda& cuda, const Tensor& y, const Tensor& dy, const Gradient& dx);

}  // namespace amnet
