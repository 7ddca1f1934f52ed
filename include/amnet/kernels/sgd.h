// One step of stochastic gradient descent with momentum, the learning rate inside the momentum as
// in Caffe, for the slope g of kernels/update_terms.h:
//   V <- momentum * V + learning_rate * g
//   w <- w - V                                             sgd_step
//   w <- w - ((1 + momentum) * V - momentum * V before)    nesterov_step (nesterov_solver.cpp)
//
//   const SgdUpdate update{.options = {.learning_rate = 0.1}, .gradient = gradient, .momentum = momentum, .value = weight};
//   sgd_step(cpu, {&update, 1});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>
#include <amnet/kernels/update_terms.h>

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
/// they run side by side.
void sgd_step(Cpu& cpu, std::span<const SgdUpdate> updates, const UpdateTerms& terms = {});
void sgd_step(Cuda& cuda, std::span<const SgdUpdate> updates, const UpdateTerms& terms = {});
void nesterov_step(Cpu& cpu, std::span<const SgdUpdate> updates, const UpdateTerms& terms = {});
void nesterov_step(Cuda& cuda, std::span<const SgdUpdate> updates, const UpdateTerms& terms = {});

}  // namespace amnet
