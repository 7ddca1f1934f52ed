// One step of stochastic gradient descent with momentum, the learning rate inside the momentum as
// in Caffe:
//   g = gradient_scale * gradient + weight_decay * w,  V <- momentum * V + learning_rate * g,  w <- w - V.
//
//   const SgdUpdate update{.options = {.learning_rate = 0.1}, .gradient = gradient, .momentum = momentum, .value = weight};
//   sgd_step(cpu, {&update, 1});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>

#include <span>

namespace amnet {

/// Of one parameter: the run's values times the parameter's multipliers.
struct SgdOptions {
  double learning_rate = 0.1;
  double momentum = 0.9;
  double weight_decay = 0;
  double gradient_scale = 1;  ///< 1 / the number of micro-batches whose gradients were added
};

/// One parameter's step. gradient, momentum (V) and value (w): of one shape and floating-point
/// dtype; momentum starts at zero.
struct SgdUpdate {
  SgdOptions options;
  Tensor gradient, momentum, value;
};

/// The updates of all parameters of a step, none of which may share elements with another: on a GPU
/// they run side by side. Where `halted`, a u8 (1), is defined and not 0, nothing is changed:
/// raise_unless_finite of kernels/finite.h sets it.
void sgd_step(Cpu& cpu, std::span<const SgdUpdate> updates, const Tensor& halted = {});
void sgd_step(Cuda& cuda, std::span<const SgdUpdate> updates, const Tensor& halted = {});

}  // namespace amnet
