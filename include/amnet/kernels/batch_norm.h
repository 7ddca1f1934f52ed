// Batch normalisation: y = scale (x - mean) / sqrt(variance + epsilon) + shift, per channel (last
// dimension), with the mean and the (biased) variance of the batch, or with stored ones. Ioffe,
// Szegedy (arXiv 1502.03167), algorithm 1.
//
//   batch_norm_statistics(cpu, x, mean, variance);   // of the batch x (..., C), each (C)
//   batch_norm_forward(cpu, 1e-5, x, mean, variance, scale, shift, y);
//   batch_norm_update(cpu, 0.99, x.count() / mean.count(), mean, variance, running_mean, running_variance, weight_of_past);
//   batch_norm_forward(cpu, 1e-5, x, running_mean, running_variance, scale, shift, y);   // with stored ones
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// What a variant of the formula leaves out, on a CPU: caffe-windows has both in
/// batch_norm_layer.cpp.
struct BatchNormTerms {
  bool centered = true;  ///< false: the mean is taken to be 0, and the variance is the mean of x^2
  bool scaled = true;    ///< false: sqrt(variance + epsilon) is taken to be 1
};

/// The mean and the biased variance of every channel of x (..., C), into mean and variance (C).
void batch_norm_statistics(Cpu& cpu, const Tensor& x, const Tensor& mean, const Tensor& variance, const BatchNormTerms& terms = {});
void batch_norm_statistics(Cuda& cuda, const Tensor& x, const Tensor& mean, const Tensor& variance);

/// Moves the running statistics (C) towards those of a batch of `samples` values per channel. They
/// are the weighted means of all batches so far: weight_of_past (1) <- fraction weight_of_past + 1,
/// running <- running + (batch - running) / weight_of_past, which is S / factor of Caffe's S <-
/// fraction S + batch, factor <- fraction factor + 1. The variance is made unbiased by m / (m - 1).
/// Of a term that is left out, S keeps its value.
void batch_norm_update(Cpu& cpu, double fraction, std::int64_t samples, const Tensor& mean, const Tensor& variance,
                       const Tensor& running_mean, const Tensor& running_variance, const Tensor& weight_of_past,
                       const BatchNormTerms& terms = {});
void batch_norm_update(Cuda& cuda, double fraction, std::int64_t samples, const Tensor& mean, const Tensor& variance,
                       const Tensor& running_mean, const Tensor& running_variance, const Tensor& weight_of_past);

/// x, y: (..., C); mean, variance, scale, shift: (C), scale and shift undefined where there are
/// none.
void batch_norm_forward(Cpu& cpu, double epsilon, const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& scale,
                        const Tensor& shift, const Tensor& y, const BatchNormTerms& terms = {});
void batch_norm_forward(Cuda& cuda, double epsilon, const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& scale,
                        const Tensor& shift, const Tensor& y);

/// With n = (x - mean) / sqrt(variance + epsilon) over m values per channel: dshift = sum dy,
/// dscale = sum dy n, and dx = scale / sqrt(variance + epsilon) (dy - dshift / m - n dscale / m)
/// where the statistics are the batch's own; stored statistics are constants: dx = scale /
/// sqrt(variance + epsilon) dy. Without the mean, the term dshift / m is left out; without the
/// variance, n dscale / m is.
void batch_norm_backward(Cpu& cpu, double epsilon, bool stored_statistics, const Tensor& x, const Tensor& mean, const Tensor& variance,
                         const Tensor& scale, const Tensor& dy, const Gradient& dx, const Gradient& dscale, const Gradient& dshift,
                         const BatchNormTerms& terms = {});
void batch_norm_backward(Cuda& cuda, double epsilon, bool stored_statistics, const Tensor& x, const Tensor& mean, const Tensor& variance,
                         const Tensor& scale, const Tensor& dy, const Gradient& dx, const Gradient& dscale, const Gradient& dshift);

}  // namespace amnet
