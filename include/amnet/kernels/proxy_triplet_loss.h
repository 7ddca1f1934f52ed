// A triplet loss between samples and one proxy of each class, on a CPU, from their distances D
// (N,classes): with y the label of sample i and w_i its weight,
//   push_ij = negative_weight max(0, D_iy + margin - D_ij) for j != y,
//   loss = 1 / N sum_i w_i (sum_j push_ij + pull_i), pull_i = positive_weight D_iy, or 0.
// Wang, Xiang, Cheng, Yuille, "NormFace" (arXiv 1704.06369); the options are those of
// caffe-windows, general_triplet_loss_layer.cpp.
//
//   proxy_triplet_loss_forward(cpu, rule, distances, labels, weights, loss, {});
//   proxy_triplet_loss_backward(cpu, rule, distances, labels, weights, dloss, {ddistances, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>
#include <amnet/kernels/labels.h>

namespace amnet {

struct ProxyTripletRule {
  double margin = 0.2;
  bool add_center_loss = true;  ///< with pull_i
  bool hardest_only = false;    ///< of the pushes of a sample only the largest counts
  /// samples whose D_iy is above positive_upper_bound have no pushes, and are pulled
  bool positive_first = false;
  double positive_upper_bound = 1;
  double positive_weight = 1, negative_weight = 1;
  /// Computes as the reference code does. The loss is the sum of the absolute pushes, without pulls
  /// and weights. The gradient, which is not its derivative, is -negative_weight for each D_ij with
  /// a push, and positive_weight for D_iy where there is a push or add_center_loss, times the
  /// weight.
  bool reference = false;
};

/// distances: (N,classes); labels: i64 (N); weights: (N) or undefined, constants; loss: (1); means:
/// (2) or undefined: the mean of D_iy, and of all other D. Throws DataError for a label out of
/// range.
void proxy_triplet_loss_forward(Cpu& cpu, const ProxyTripletRule& rule, const Tensor& distances, const Tensor& labels,
                                const Tensor& weights, const Tensor& loss, const Tensor& means);
/// dloss: (1); ddistances: (N,classes).
void proxy_triplet_loss_backward(Cpu& cpu, const ProxyTripletRule& rule, const Tensor& distances, const Tensor& labels,
                                 const Tensor& weights, const Tensor& dloss, const Gradient& ddistances);

}  // namespace amnet
