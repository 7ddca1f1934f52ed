// Scaled cosines with one additive margin that follows the batches: y = s (x - m [target]). The
// margin of a sample is its target cosine less the soft maximum of the others,
//   margin_i = x_k - lse_i,  lse_i = log(sum over j != k of exp(s x_j)) / s,
// and m follows the mode of the margins (mean_shift of src/kernels/mean_shift.h), as m <- 0.9 m +
// 0.1 mode; the first one, where m is 0, is taken whole. It is subtracted where it is positive.
// Formulas: GlobalLSEMargin of happynear/caffe-windows (layers/global_lse_margin_layer.cu).
//
//   lse_margin_forward(cpu, {}, cosines, labels, {}, scale, margin, applied, y, statistics);
//   lse_margin_backward(cpu, cosines, labels, {}, scale, applied, dy, {dx, Write::assign}, {dscale, Write::assign}, {});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>
#include <amnet/kernels/labels.h>

#include <limits>

namespace amnet {

struct LseMarginOptions {
  /// what forward limits the scale to
  double min_scale = 0, max_scale = std::numeric_limits<float>::max();
  /// the margin is moved and subtracted; else y = s x
  bool applies = true;
};

/// x, y: (N,classes), two classes or more; labels: i64 (N); norms (N,1), the scales of the samples,
/// or undefined: then the scale (1) is that of all. scale and margin (1) are written in place.
/// applied (1): what was subtracted, 0 for nothing. statistics (5), or undefined: the scale (the
/// mean norm), the mean target cosine, the mean lse, the mean of the largest of the others (each at
/// least -1, as in the reference code), and the margin.
void lse_margin_forward(Cpu& cpu, const LseMarginOptions& options, const Tensor& x, const Tensor& labels, const Tensor& norms,
                        const Tensor& scale, const Tensor& margin, const Tensor& applied, const Tensor& y, const Tensor& statistics);
void lse_margin_forward(Cuda& cuda, const LseMarginOptions& options, const Tensor& x, const Tensor& labels, const Tensor& norms,
                        const Tensor& scale, const Tensor& margin, const Tensor& applied, const Tensor& y, const Tensor& statistics);

/// dx = s dy; dscale = the sum of dy (x - m [target]), or dnorms_i = that over the sample. The
/// margin is a constant here.
void lse_margin_backward(Cpu& cpu, const Tensor& x, const Tensor& labels, const Tensor& norms, const Tensor& scale, const Tensor& applied,
                         const Tensor& dy, const Gradient& dx, const Gradient& dscale, const Gradient& dnorms);
void lse_margin_backward(Cuda& cuda, const Tensor& x, const Tensor& labels, const Tensor& norms, const Tensor& scale, const Tensor& applied,
                         const Tensor& dy, const Gradient& dx, const Gradient& dscale, const Gradient& dnorms);

}  // namespace amnet
