// L2 normalisation of rows: norm = sqrt(sum of x^2 + epsilon), y = x / norm. The epsilon is inside
// the root, so that a row of zeros has a finite norm, output and gradient. Wang, Xiang, Cheng,
// Yuille, "NormFace" (arXiv 1704.06369), equations 9 and 10. And L1 normalisation: norm = sum of
// |x| + epsilon.
//
//   normalize_forward(cpu, x, 1e-12, y, norm);                        // (3,4) becomes (0.6,0.8), its norm 5
//   normalize_backward(cpu, y, norm, dy, {}, {dx, Write::assign});    // where nobody else reads the norm
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

#include <array>
#include <string_view>

namespace amnet {

/// Which norm of a row.
enum class NormKind : unsigned char { l2, l1 };
constexpr std::array<std::string_view, 2> names_of(NormKind) { return {"l2", "l1"}; }

/// x, y: (..., D), seen as rows of D; norm: one element per row, f32 where x is bf16. y may be x
/// itself.
void normalize_forward(Cpu& cpu, const Tensor& x, double epsilon, const Tensor& y, const Tensor& norm);
void normalize_forward(Cuda& cuda, const Tensor& x, double epsilon, const Tensor& y, const Tensor& norm);

/// dx = (dy - y <y, dy>) / norm + dnorm y: exact for any epsilon, because dnorm/dx = x / norm = y.
/// dy: (..., D); dnorm: one element per row; either may be undefined where no loss depends on it.
/// With `undivided` the first term is not divided by the norm, a rule of the reference code (its
/// fix_gradient, normalize_layer.cu): the gradient is then not shorter for a longer row.
void normalize_backward(Cpu& cpu, const Tensor& y, const Tensor& norm, const Tensor& dy, const Tensor& dnorm, const Gradient& dx,
                        bool undivided = false);
void normalize_backward(Cuda& cuda, const Tensor& y, const Tensor& norm, const Tensor& dy, const Tensor& dnorm, const Gradient& dx,
                        bool undivided = false);

/// As above with the L1 norm, on a CPU: dx = (dy - sign(y) <y, dy>) / norm + dnorm sign(y), with
/// sign(0) = 0.
void l1_normalize_forward(Cpu& cpu, const Tensor& x, double epsilon, const Tensor& y, const Tensor& norm);
void l1_normalize_backward(Cpu& cpu, const Tensor& y, const Tensor& norm, const Tensor& dy, const Tensor& dnorm, const Gradient& dx,
                           bool undivided = false);

}  // namespace amnet
