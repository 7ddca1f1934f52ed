// Hyperbolic tangent: y = (e^x - e^-x) / (e^x + e^-x).
//
//   tanh_forward(cpu, x, y);
//   tanh_backward(cpu, y, dy, {dx, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// x, y: of one shape and floating-point dtype.
void tanh_forward(Cpu& cpu, const Tensor& x, const Tensor& y);

/// dx = dy (1 - y^2). Reads the output, not the input.
void tanh_backward(Cpu& cpu, const Tensor& y, const Tensor& dy, const Gradient& dx);

}  // namespace amnet
