// One step of stochastic gradient descent with momentum, the learning rate inside the momentum as in Caffe:
//   g = gradient_scale * gradient + weight_decay * w,  V <- momentum * V + learning_rate * g,  w <- w - V.
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>

namespace amnet {

/// Of one parameter: the run's values times the parameter's multipliers.
struct SgdOptions {
  double learning_rate = 0.1;
  double momentum = 0.9;
  double weight_decay = 0;
  double gradient_scale = 1;  ///< 1 / the number of micro-batches whose gradients were added
};

/// gradient, momentum (V) and value (w): of one shape and floating-point dtype; momentum starts at zero.
void sgd_step(Cpu& cpu, const SgdOptions& options, const Tensor& gradient, const Tensor& momentum, const Tensor& value);

}  // namespace amnet
