// Fully connected (inner product): y(n,o) = bias(o) + sum over i of w(o,i) * x(n,i).
// The gradient of the bias is bias_backward of kernels/bias.h.
//
// The `cosine` functions have the unit rows w(o) / norm(o), norm(o) = sqrt(sum of w(o)^2 +
// epsilon), in the place of w(o), and do not store them: the inverse of a norm multiplies an output
// instead, so that no second matrix of weights is read or kept. Products of bf16 copy their factors
// in any case, and they copy the unit rows.
//
//   fully_connected_forward(cpu, x, w, bias, y);   // (N,I), (O,I), (O) to (N,O)
//   fully_connected_backward_data(cpu, dy, w, {dx, Write::assign});
//   fully_connected_backward_weights(cpu, x, dy, {dw, Write::assign});
//   cosine_forward(cpu, unit, w, 1e-12, {}, cosines, norms);   // for a `unit` of unit rows
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// x (N,I), w (O,I), bias (O) or undefined for none, y (N,O): all of one floating-point dtype; on a
/// GPU x and dx may be bf16 where its precision is, and all else is f32. On a CPU a row of y has
/// the same bits in every batch. Throws UsageError when a shape does not follow from the others.
void fully_connected_forward(Cpu& cpu, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y);
void fully_connected_forward(Cuda& cuda, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y);

/// dy (N,O), w (O,I), dx (N,I).
void fully_connected_backward_data(Cpu& cpu, const Tensor& dy, const Tensor& w, const Gradient& dx);
void fully_connected_backward_data(Cuda& cuda, const Tensor& dy, const Tensor& w, const Gradient& dx);

/// x (N,I), dy (N,O), dw (O,I).
void fully_connected_backward_weights(Cpu& cpu, const Tensor& x, const Tensor& dy, const Gradient& dw);
void fully_connected_backward_weights(Cuda& cuda, const Tensor& x, const Tensor& dy, const Gradient& dw);

/// As fully_connected_forward, with unit rows; also writes the norms, one for each of the O rows.
void cosine_forward(Cpu& cpu, const Tensor& x, const Tensor& w, double epsilon, const Tensor& bias, const Tensor& y, const Tensor& norms);
void cosine_forward(Cuda& cuda, const Tensor& x, const Tensor& w, double epsilon, const Tensor& bias, const Tensor& y, const Tensor& norms);

/// As fully_connected_backward_data, with unit rows.
void cosine_backward_data(Cpu& cpu, const Tensor& dy, const Tensor& w, const Tensor& norms, const Gradient& dx);
void cosine_backward_data(Cuda& cuda, const Tensor& dy, const Tensor& w, const Tensor& norms, const Gradient& dx);

/// dw = (du - u <u, du>) / norm with u the unit row and du its gradient: exact for any epsilon, as
/// in kernels/normalize.h.
void cosine_backward_weights(Cpu& cpu, const Tensor& x, const Tensor& dy, const Tensor& w, const Tensor& norms, const Gradient& dw);
void cosine_backward_weights(Cuda& cuda, const Tensor& x, const Tensor& dy, const Tensor& w, const Tensor& norms, const Gradient& dw);

/// The scratch memory that the three passes take for x of `dtype`, with `unit_rows` those of the
/// cosines: for a forecast.
ScratchBytes fully_connected_scratch(const Cpu& cpu, std::int64_t samples, std::int64_t inputs, std::int64_t outputs, DType dtype,
                                     bool unit_rows);
ScratchBytes fully_connected_scratch(const Cuda& cuda, std::int64_t samples, std::int64_t inputs, std::int64_t outputs, DType dtype,
                                     bool unit_rows);

}  // namespace amnet
