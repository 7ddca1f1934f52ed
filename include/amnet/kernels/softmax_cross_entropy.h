// Softmax cross-entropy, plain and with a margin (kernels/margin.h): with z = s T(c) for the label
// y of sample i and z = s N(c) for the other classes,
//   loss_i = log sum_j exp(z_j) - z_y + the penalty on its norm,  loss = the mean of the loss_i.
// With T(c) = c - m it is equation 6 of Wang, Cheng, Liu, Liu, "Additive Margin Softmax" (arXiv
// 1801.05599); with m = 0 and s = 1 it is plain softmax. The largest z is subtracted before exp, so
// nothing overflows; sums over the classes and the batch are kept in double. No probability is
// stored: backward computes them again from the logits, so that a head has one (N,classes) matrix,
// not three.
//
//   const MarginOptions margin{.scale = 30, .margin = 0.35};
//   softmax_cross_entropy_forward(cpu, margin, cosines, labels, {}, row_values, loss);
//   softmax_cross_entropy_backward(cpu, margin, cosines, labels, {}, row_values, dloss, {dcosines, Write::assign}, {});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>
#include <amnet/kernels/labels.h>
#include <amnet/kernels/margin.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace amnet {

/// What the sum of the losses is divided by, though never by less than 1: the number of rows, that
/// of the rows that count (the sum of their weights, where there are weights), that of the samples,
/// or 1. Caffe's LossParameter has the same names.
enum class LossNormalization : unsigned char { full, valid, batch_size, none };
constexpr std::array<std::string_view, 4> names_of(LossNormalization) { return {"full", "valid", "batch_size", "none"}; }

/// Which rows count and how much, and what their sum is divided by; the default is their mean. The
/// rules are those of caffe-windows, softmax_loss_layer.cpp.
struct LossRows {
  /// a row with this label has no loss and no gradient
  std::optional<std::int64_t> ignore_label = {};
  LossNormalization normalization = LossNormalization::valid;
  std::int64_t samples = 0;  ///< what batch_size divides by
  /// loss_i = -log(max(p, floor)) with p the probability of the label; the gradient is that of
  /// -log(p)
  double probability_floor = 0;
  double factor = 1;    ///< multiplies the loss
  Tensor weights = {};  ///< (N), multiplies each loss; a row of weight 0 does not count. Constants.
  /// (1): what the sum was divided by, written by forward for backward; undefined where that is N
  Tensor divisor = {};
};

/// scaled (N,classes) = z of the formula above. cosines: (N,K classes); labels: i64 (N), in range.
/// Running statistics are applied as they are.
void margin_logits(Cpu& cpu, const MarginOptions& options, const Tensor& cosines, const Tensor& labels, const MarginInputs& inputs,
                   const Tensor& scaled);
void margin_logits(Cuda& cuda, const MarginOptions& options, const Tensor& cosines, const Tensor& labels, const MarginInputs& inputs,
                   const Tensor& scaled);

/// logits: (N,K classes); loss: (1); row_values: (N,margin_row_values), for the backward pass.
/// Moves running statistics by the rows that count, and applies them. Throws DataError for a label
/// out of range, before anything is computed. Labels on a GPU are checked by the code that copies
/// them there; one that is still out of range makes the loss NaN.
void softmax_cross_entropy_forward(Cpu& cpu, const MarginOptions& options, const Tensor& logits, const Tensor& labels,
                                   const MarginInputs& inputs, const Tensor& row_values, const Tensor& loss, const LossRows& rows = {});
void softmax_cross_entropy_forward(Cuda& cuda, const MarginOptions& options, const Tensor& logits, const Tensor& labels,
                                   const MarginInputs& inputs, const Tensor& row_values, const Tensor& loss, const LossRows& rows = {});

/// With p_ij = exp(z_ij - largest_i) / sum_i and g_ij = dloss / N (p_ij - [j = y_i]): dlogits = s g
/// times the derivative of T or N, for K > 1 at the largest of a class's columns and 0 at the
/// others; dnorms_i = sum_j g_ij dz_ij/dn + dloss / N times the derivative of the penalty. N is the
/// divisor of `rows`, and a row's weight multiplies its g. dloss: (1); dlogits: (N,K classes),
/// which may be `logits` itself where it is assigned; dnorms: (N,1).
void softmax_cross_entropy_backward(Cpu& cpu, const MarginOptions& options, const Tensor& logits, const Tensor& labels,
                                    const MarginInputs& inputs, const Tensor& row_values, const Tensor& dloss, const Gradient& dlogits,
                                    const Gradient& dnorms, const LossRows& rows = {});
void softmax_cross_entropy_backward(Cuda& cuda, const MarginOptions& options, const Tensor& logits, const Tensor& labels,
                                    const MarginInputs& inputs, const Tensor& row_values, const Tensor& dloss, const Gradient& dlogits,
                                    const Gradient& dnorms, const LossRows& rows = {});

}  // namespace amnet
