// The contrastive loss of pairs, on a CPU: with d_i the distance of the features a_i and b_i,
//   loss = 1 / (2 N) sum_i (d_i^2 for a similar pair, max(0, margin - d_i)^2 for a dissimilar one).
// Hadsell, Chopra, LeCun, "Dimensionality Reduction by Learning an Invariant Mapping" (CVPR 2006).
//
//   contrastive_loss_forward(cpu, {.margin = 1}, a, b, labels_of_a, labels_of_b, loss);   // similar: of one label
//   contrastive_loss_forward(cpu, {.margin = 1}, a, b, similar, {}, loss);                // similar: not 0
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

struct ContrastiveRule {
  double margin = 1;
  bool legacy = false;  ///< a dissimilar pair has max(0, margin - d^2), as Caffe had it first
  /// The reference code divides by d + 1e-4 where the derivative has d
  /// (contrastive_loss_layer.cpp).
  bool reference = false;
};

/// a, b: (N, ...) of one shape; labels: i64 (N), and other_labels too, or undefined; loss: (1).
void contrastive_loss_forward(Cpu& cpu, const ContrastiveRule& rule, const Tensor& a, const Tensor& b, const Tensor& labels,
                              const Tensor& other_labels, const Tensor& loss);
/// da = dloss / N (a - b) times 1 for a similar pair, -max(0, margin - d) / d for a dissimilar one
/// (0 where d is 0), -[d^2 < margin] in the legacy form; db = -da. dloss: (1).
void contrastive_loss_backward(Cpu& cpu, const ContrastiveRule& rule, const Tensor& a, const Tensor& b, const Tensor& labels,
                               const Tensor& other_labels, const Tensor& dloss, const Gradient& da, const Gradient& db);

}  // namespace amnet
