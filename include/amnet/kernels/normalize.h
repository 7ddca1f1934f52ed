// L2 normalisation of rows: norm = sqrt(sum of x^2 + epsilon), y = x / norm. The epsilon is inside
// the root, so that a row of zeros has a finite norm, output and gradient. Wang, Xiang, Cheng,
// Yuille, "NormFace" (arXiv 1704.06369), equations 9 and 10.
//
//   normalize_forward(cpu, x, 1e-12, y, norm);                        // (3,4) becomes (0.6,0.8), its norm 5
//   normalize_backward(cpu, y, norm, dy, {}, {dx, Write::assign});    // where nobody else reads the norm
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// x, y: (..., D), seen as rows of D; norm: one element per row, f32 where x is bf16. y may be x
/// itself.
void normalize_forward(Cpu& cpu, const Tensor& x, double epsilon, const Tensor& y, const Tensor& norm);
void normalize_forward(Cuda& cuda, const Tensor& x, double epsilon, const Tensor& y, const Tensor& norm);

/// dx = (dy - y <y, dy>) / norm + dnorm y: exact for any epsilon, because dnorm/dx = x / norm = y.
/// dy: (..., D); dnorm: one element per row; either may be undefined where no loss depends on it.
void normalize_backward(Cpu& cpu, const Tensor& y, const Tensor& norm, const Tensor& dy, const Tensor& dnorm, const Gradient& dx);
void normalize_backward(Cuda& cuda, const Tensor& y, const Tensor& norm, const Tensor& dy, const Tensor& dnorm, const Gradient& dx);

}  // namespace amnet
