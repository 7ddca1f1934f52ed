// A contrastive loss between samples and one proxy of each class, on a CPU, from their distances D
// (N,classes): with y the label of sample i,
//   pull_i = min(outlier, max(0, D_iy - positive_margin)),
//   push_ij = max(0, negative_margin - D_ij), or exp(-D_ij) where D_ij < negative_margin, for j != y,
//   loss = 1 / N sum_i (positive_weight pull_i + negative_weight sum_j push_ij).
// Wang, Xiang, Cheng, Yuille, "NormFace" (arXiv 1704.06369); the options are those of
// caffe-windows, general_constrastive_loss_layer.cpp (in its spelling).
//
//   proxy_contrastive_loss_forward(cpu, rule, distances, labels, 1.0, {.loss = loss});
//   proxy_contrastive_loss_backward(cpu, rule, distances, labels, 1.0, dloss, {ddistances, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>
#include <amnet/kernels/labels.h>

#include <optional>

namespace amnet {

struct ProxyContrastiveRule {
  double positive_margin = 0;
  double positive_weight = 1, negative_weight = 1;
  /// a larger pull is taken for an outlier and is not followed
  double positive_outlier_threshold = 4;
  bool exp_negative_weight = false;  ///< push is exp(-D)
  bool max_positive_only = false;    ///< of all pulls of the batch only the largest counts
  bool max_negative_only = false;    ///< of the pushes of a sample only the largest counts
  /// samples whose D_iy is above positive_upper_bound have no pushes
  bool positive_first = false;
  double positive_upper_bound = 1;
  /// Changes the gradient alone: with s the sum of the gradients of all pushes over N and this
  /// number, they are divided by s where it is above positive_weight.
  std::optional<double> normalize_negative = {};
  /// Computes as the reference code does where it differs: the loss sums absolute values;
  /// max_positive_only keeps the smallest pull; max_negative_only compares with the pull where the
  /// label is 0; the outlier threshold is compared with D_iy in the gradient; a sample that
  /// positive_first leaves without pushes is pulled by positive_weight in any case.
  bool reference = false;
};

/// What forward computes.
struct ProxyLossOutputs {
  Tensor loss = {};  ///< (1)
  /// (2) or more, or undefined: the means of the pulls and of the pushes (of max(0, negative_margin -
  /// D))
  Tensor means = {};
};

/// distances: (N,classes); labels: i64 (N). Returns the mean of the pulls. Throws DataError for a
/// label out of range.
double proxy_contrastive_loss_forward(Cpu& cpu, const ProxyContrastiveRule& rule, const Tensor& distances, const Tensor& labels,
                                      double negative_margin, const ProxyLossOutputs& outputs);
/// dloss: (1); ddistances: (N,classes).
void proxy_contrastive_loss_backward(Cpu& cpu, const ProxyContrastiveRule& rule, const Tensor& distances, const Tensor& labels,
                                     double negative_margin, const Tensor& dloss, const Gradient& ddistances);

}  // namespace amnet
