// Target logits pulled towards the mean of the others: with the label k of a sample, y_k = x_k +
// ((mean of x_j, j != k) - x_k) (1 - w); other elements are copied. Formula:
// LabelSpecificHardMargin of happynear/caffe-windows, branch experiment
// (layers/label_specific_hard_margin.cu).
//
//   hard_margin_forward(cpu, 0.5, x, labels, y, mean);
//   hard_margin_backward(cpu, 0.5, labels, dy, {}, {dx, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>
#include <amnet/kernels/labels.h>

namespace amnet {

/// x, y: (N,classes), two classes or more; labels: i64 (N); mean (1), or undefined: the mean over
/// the samples of y_k - x_k, times 180 / pi.
void hard_margin_forward(Cpu& cpu, double weight, const Tensor& x, const Tensor& labels, const Tensor& y, const Tensor& mean);

/// dx_k = w dy_k, dx_j = dy_j + (1 - w) / (classes - 1) dy_k, and through the mean dx_k -= g, dx_j +=
/// g / (classes - 1) with g = (1 - w) 180 / (pi N) dmean. dy and dmean may be undefined.
void hard_margin_backward(Cpu& cpu, double weight, const Tensor& labels, const Tensor& dy, const Tensor& dmean, const Gradient& dx);

}  // namespace amnet
