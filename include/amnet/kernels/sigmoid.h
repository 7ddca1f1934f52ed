// Logistic function: y = 1 / (1 + e^-x).
//
//   sigmoid_forward(cpu, x, y);
//   sigmoid_backward(cpu, y, dy, {dx, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// x, y: of one shape and floating-point dtype.
void sigmoid_forward(Cpu& cpu, const Tensor& x, const Tensor& y);

/// dx = dy y (1 - y). Reads the output, not the input.
void sigmoid_backward(Cpu& cpu, const Tensor& y, const Tensor& dy, const Gradient& dx);

}  // namespace amnet
