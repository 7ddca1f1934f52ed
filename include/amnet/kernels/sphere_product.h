// The margin of A-Softmax (Liu, Wen, Yu, Li, Raj, Song, "SphereFace", arXiv 1704.08063, equations 5
// to 7): for a product x.u with a row u of length 1, c = x.u / |x| = cos a, the target's product
// becomes (|x| psi(a) + lambda x.u) / (1 + lambda), with psi(a) = (-1)^k cos(m a) - 2 k for a in [k
// pi / m, (k + 1) pi / m]. The products are those of kernels/fully_connected.h. Also:
// MarginInnerProduct of happynear/caffe-windows (layers/margin_inner_product_layer.cpp, .cu).
//
//   cosine_forward(cpu, x, w, 1e-12, {}, y, norms);
//   sphere_margin_forward(cpu, {.multiplier = 4, .lambda = 5}, x, labels, y, targets);
//   sphere_margin_backward(cpu, {.multiplier = 4, .lambda = 5}, targets, labels, dy, scaled, along);
//   cosine_backward_data(cpu, scaled, w, norms, {dx, Write::assign});
//   sample_scale_backward(cpu, {}, along, x, {dx, Write::add}, {});   // dx += along x
#pragma once

#include <amnet/core/device.h>
#include <amnet/kernels/labels.h>

namespace amnet {

struct SphereMargin {
  int multiplier = 4;  ///< m: 1 (no margin), 2, 3 or 4
  double lambda = 0;   ///< how much of the plain product is mixed in
  /// in backward: the reference code's gradient, in which the coefficients of u and x in d(|x|
  /// psi)/dx are divided by the length of the vector of both
  bool reference = false;
};

/// x: (N,D), bf16 or of y's dtype; labels: i64 (N); y (N,classes): the products, and then with the
/// margin; targets (N,2): |x| = sqrt(sum of x^2 + 1e-12) and c, for the backward pass.
void sphere_margin_forward(Cpu& cpu, const SphereMargin& margin, const Tensor& x, const Tensor& labels, const Tensor& y,
                           const Tensor& targets);
void sphere_margin_forward(Cuda& cuda, const SphereMargin& margin, const Tensor& x, const Tensor& labels, const Tensor& y,
                           const Tensor& targets);

/// With d = dy of the target / (1 + lambda): scaled (N,classes) = dy, but (psi'(c) + lambda) d for
/// the target, which is the gradient of the products; along (N) = d (psi - c psi'(c)) / |x|, the
/// further coefficient of x in its own gradient.
void sphere_margin_backward(Cpu& cpu, const SphereMargin& margin, const Tensor& targets, const Tensor& labels, const Tensor& dy,
                            const Tensor& scaled, const Tensor& along);
void sphere_margin_backward(Cuda& cuda, const SphereMargin& margin, const Tensor& targets, const Tensor& labels, const Tensor& dy,
                            const Tensor& scaled, const Tensor& along);

}  // namespace amnet
