// Fully connected (inner product): y(n,o) = bias(o) + sum over i of w(o,i) * x(n,i).
// The gradient of the bias is bias_backward of kernels/bias.h.
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// x (N,I), w (O,I), bias (O) or undefined for none, y (N,O): all of one floating-point dtype.
/// Throws UsageError when a shape does not follow from the others.
void fully_connected_forward(Cpu& cpu, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y);

/// dy (N,O), w (O,I), dx (N,I).
void fully_connected_backward_data(Cpu& cpu, const Tensor& dy, const Tensor& w, const Gradient& dx);

/// x (N,I), dy (N,O), dw (O,I).
void fully_connected_backward_weights(Cpu& cpu, const Tensor& x, const Tensor& dy, const Gradient& dw);

}  // namespace amnet
