// Target logits and all others rescaled, each by a weight: with the label k of a
// sample, y_k = p x_k and y_j = n x_j. Formulas:
// LabelSpecificRescale of happynear/caffe-windows (layers/label_specific_rescale.cpp, .cu).
//
//   target_rescale_forward(cpu, {.positive = 0.9}, x, labels, y);
//   target_rescale_backward(cpu, {.positive = 0.9}, x, labels, dy, {dx, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>
#include <amnet/kernels/arithmetic.h>
#include <amnet/kernels/labels.h>

namespace amnet {

/// With p = 1 targets are left as they are, whatever the other options are. reference_gpu: `power`
/// is z = cos(a + p), x_k = cos a and p in degrees, or (p - 1) (z - 1) + x_k with `keeps_one`; its
/// gradient with `keeps_one` is (p - 1) dz/dx_k dy + 1, and `only_positive` has no effect on it.
struct TargetRescaleOptions {
  double positive = 1;         ///< p
  double negative = 1;         ///< n
  bool only_positive = false;  ///< rescales a target only where it is > 0
  bool keeps_one = false;      ///< y_k = p x_k + 1 - p
  bool power = false;          ///< y_k = sign(x_k) |x_k|^p; `keeps_one` has no effect
  Arithmetic arithmetic = Arithmetic::exact;
};

/// x, y: (N,classes); labels: i64 (N).
void target_rescale_forward(Cpu& cpu, const TargetRescaleOptions& options, const Tensor& x, const Tensor& labels, const Tensor& y);
void target_rescale_backward(Cpu& cpu, const TargetRescaleOptions& options, const Tensor& x, const Tensor& labels, const Tensor& dy,
                             const Gradient& dx);

}  // namespace amnet
