// One binary cross-entropy for each class, "is it this class or not", of SphereFace2 (Wen, Liu,
// Weller, Raj, Singh, arXiv 2108.01513, equation 9). With T and N of kernels/margin.h, the bias b
// and
//   g(c) = 2 ((c + 1) / 2)^t - 1,
//   z_y = s (g(T(c_y)) - m) + b,  z_j = s (g(N(c_j)) + m) + b for j != y,
//   loss_i = (alpha log(1 + exp(-z_y)) + (1 - alpha) sum_j log(1 + exp(z_j))) / s,
// and the loss is the mean of the loss_i. Nothing overflows, small terms are not lost, and no
// second (N,classes) matrix is kept.
//
//   const BinaryOptions options{.scale = 40, .margin = 0.4};
//   binary_cross_entropy_forward(cpu, options, cosines, labels, bias, row_values, loss);
//   binary_cross_entropy_backward(cpu, options, cosines, labels, bias, row_values, dloss, {dcosines, Write::assign}, {});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>
#include <amnet/kernels/labels.h>
#include <amnet/kernels/margin.h>

namespace amnet {

struct BinaryOptions {
  double scale = 40;     ///< s (r in the paper)
  double margin = 0.4;   ///< m on both sides; 0 where the form has a margin of its own
  double sharpness = 3;  ///< t
  double balance = 0.7;  ///< alpha (lambda in the paper), in (0, 1)
  double factor = 1;     ///< multiplies the loss
  /// straight_through: the derivative of z is s. The rules of norms and of running statistics are
  /// not for this loss.
  MarginForm form = {};
};

/// Throws UsageError, which begins with `who`, for options out of range.
void check_binary(const BinaryOptions& options, std::string_view who);

/// z of the formula above. cosines: (N,K classes); labels: i64 (N), in range; bias: (1); z:
/// (N,classes).
void binary_logits(Cpu& cpu, const BinaryOptions& options, const Tensor& cosines, const Tensor& labels, const Tensor& bias,
                   const Tensor& z);
void binary_logits(Cuda& cuda, const BinaryOptions& options, const Tensor& cosines, const Tensor& labels, const Tensor& bias,
                   const Tensor& z);

/// loss: (1); row_values: (N,margin_row_values), for the backward pass. Throws DataError for a
/// label out of range. Labels on a GPU are checked by the code that copies them there; one that is
/// still out of range makes the loss NaN.
void binary_cross_entropy_forward(Cpu& cpu, const BinaryOptions& options, const Tensor& cosines, const Tensor& labels, const Tensor& bias,
                                  const Tensor& row_values, const Tensor& loss);
void binary_cross_entropy_forward(Cuda& cuda, const BinaryOptions& options, const Tensor& cosines, const Tensor& labels, const Tensor& bias,
                                  const Tensor& row_values, const Tensor& loss);

/// dcosines: (N,K classes), which may be `cosines` itself where it is assigned; dbias: (1).
void binary_cross_entropy_backward(Cpu& cpu, const BinaryOptions& options, const Tensor& cosines, const Tensor& labels, const Tensor& bias,
                                   const Tensor& row_values, const Tensor& dloss, const Gradient& dcosines, const Gradient& dbias);
void binary_cross_entropy_backward(Cuda& cuda, const BinaryOptions& options, const Tensor& cosines, const Tensor& labels,
                                   const Tensor& bias, const Tensor& row_values, const Tensor& dloss, const Gradient& dcosines,
                                   const Gradient& dbias);

}  // namespace amnet
