// ReLU: y = max(x, 0), or with a slope for what is below 0 (leaky ReLU: Maas, Hannun, Ng,
// "Rectifier nonlinearities improve neural network acoustic models", 2013): y = x where x >= 0,
// slope x elsewhere. A NaN stays a NaN, so that a broken activation stays visible.
//
//   relu_forward(cpu, x, y);
//   relu_backward(cpu, y, dy, {dx, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// x, y: of one shape and floating-point dtype.
void relu_forward(Cpu& cpu, const Tensor& x, const Tensor& y, double slope = 0);
void relu_forward(Cuda& cuda, const Tensor& x, const Tensor& y, double slope = 0);

/// dx = dy where y > 0, slope dy elsewhere. For a slope >= 0 the output says where the input was
/// positive; for a slope below 0 it does not, and the input must be passed in its place.
void relu_backward(Cpu& cpu, const Tensor& y, const Tensor& dy, const Gradient& dx, double slope = 0);
void relu_backward(Cuda& cuda, const Tensor& y, const Tensor& dy, const Gradient& dx, double slope = 0);

}  // namespace amnet
