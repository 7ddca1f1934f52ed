// One step of Adam, for the slope g of kernels/update_terms.h, as in Caffe (adam_solver.cpp):
//   m <- beta1 * m + (1 - beta1) * g
//   v <- beta2 * v + (1 - beta2) * g^2
//   w <- w - learning_rate * m / (sqrt(v) + epsilon) - shrink * w
// The caller's learning rate contains what corrects the bias of m and v, which start at zero. Of
// the update with the number t, counted from 1: learning_rate = rate * adam_correction(beta1,
// beta2, t).
//
// AdamW (Loshchilov and Hutter, arXiv 1711.05101, algorithm 2, as in torch.optim.AdamW) has no
// weight_decay in g, shrink = rate * decay, and adds its epsilon to the corrected root: epsilon *
// adamw_root(beta2, t) here.
//
//   const AdamOptions options{.learning_rate = 0.01 * adam_correction(0.9, 0.999, 1)};
//   const AdamUpdate update{.options = options, .gradient = gradient, .mean = mean, .square = square, .value = weight};
//   adam_step(cpu, {&update, 1});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>
#include <amnet/kernels/update_terms.h>

#include <cmath>
#include <cstdint>
#include <span>

namespace amnet {

/// sqrt(1 - beta2^t) / (1 - beta1^t).
inline double adam_correction(double beta1, double beta2, std::int64_t t) {
  const auto power = static_cast<double>(t);
  return std::sqrt(1 - std::pow(beta2, power)) / (1 - std::pow(beta1, power));
}

/// sqrt(1 - beta2^t): what divides sqrt(v) to correct its bias.
inline double adamw_root(double beta2, std::int64_t t) { return std::sqrt(1 - std::pow(beta2, static_cast<double>(t))); }

/// Of one parameter: the run's values times the parameter's multipliers.
struct AdamOptions {
  double learning_rate = 1e-3;  ///< with the correction
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;    ///< in the slope
  double shrink = 0;          ///< of the weight itself
  double gradient_scale = 1;  ///< 1 / the number of micro-batches whose gradients were added
};

/// One parameter's step. gradient, mean (m), square (v) and value (w): of one shape and
/// floating-point dtype; mean and square start at zero.
struct AdamUpdate {
  AdamOptions options;
  Tensor gradient, mean, square, value;
};

/// The updates of all parameters of a step, none of which may share elements with another: on a GPU
/// they run side by side.
void adam_step(Cpu& cpu, std::span<const AdamUpdate> updates, const UpdateTerms& terms = {});
void adam_step(Cuda& cuda, std::span<const AdamUpdate> updates, const UpdateTerms& terms = {});

}  // namespace amnet
