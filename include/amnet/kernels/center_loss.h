// The center loss, on a CPU: how far features are from a learned center of their class,
//   loss = 1 / (2 N) sum_i |x_i - c_{y_i}|^2, or 1 / N times the sum of absolute values.
// Wen, Zhang, Li, Qiao, "A Discriminative Feature Learning Approach for Deep Face Recognition"
// (ECCV 2016), equations 2 to 4.
//
//   center_loss_forward(cpu, {}, x, labels, centers, loss);   // (N,D), i64 (N), (classes,D) to (1)
//   center_loss_backward(cpu, {}, x, labels, centers, dloss, {dx, Write::assign}, {dcenters, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>
#include <amnet/kernels/labels.h>
#include <amnet/kernels/normalize.h>

namespace amnet {

struct CenterRule {
  NormKind distance = NormKind::l2;
  /// The gradient of a center is that of the reference code (center_loss_layer.cpp), which depends
  /// neither on the weight of the loss nor on N: with n samples of the class, n / (n + 1) sum of (c -
  /// x_i), or of their signs. The paper's rule has 1 / (n + 1); the code adds it once for each
  /// sample.
  bool reference = false;
};

/// x: (N,D); labels: i64 (N); centers: (classes,D); loss: (1). Throws DataError for a label out of
/// range.
void center_loss_forward(Cpu& cpu, const CenterRule& rule, const Tensor& x, const Tensor& labels, const Tensor& centers,
                         const Tensor& loss);
/// dx_i = dloss / N (x_i - c), or dloss / N sign(x_i - c); dcenters is the negative sum over the
/// samples of the class. dloss: (1).
void center_loss_backward(Cpu& cpu, const CenterRule& rule, const Tensor& x, const Tensor& labels, const Tensor& centers,
                          const Tensor& dloss, const Gradient& dx, const Gradient& dcenters);

}  // namespace amnet
