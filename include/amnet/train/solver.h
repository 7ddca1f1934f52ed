// Stochastic gradient descent with momentum and weight decay per parameter, as the seed's Caffe computes it: the learning rate is folded
// into the momentum buffer, V = momentum V + lr lr_mult (g + decay decay_mult w), w = w - V (sgd_solver.cpp of happynear/caffe-windows).
//
//   Solver solver(net, {.momentum = 0.9, .weight_decay = 5e-4});
//   solver.step(device, schedule.at(iteration));
#pragma once

#include <amnet/net/net.h>

#include <string>
#include <vector>

namespace amnet {

struct SolverOptions {
  double momentum = 0.9;
  double weight_decay = 5e-4;
};

class Solver {
 public:
  /// Momentum starts at zero, one buffer for each trainable parameter of `net`, which must outlive the solver.
  Solver(Net& net, SolverOptions options);

  /// One update from the gradients in the net, each times `gradient_scale` (1 / accumulated micro-batches); none where `halted` (u8, 1) is
  /// defined and not 0.
  void step(Device& device, double learning_rate, double gradient_scale = 1, const Tensor& halted = {});

  struct Momentum {
    std::string name;  ///< of the parameter: "conv1_1.weight"
    Tensor value;
  };
  /// What a resume must bring back besides the parameters.
  std::vector<Momentum>& state() { return state_; }

 private:
  Net& net_;
  SolverOptions options_;
  std::vector<Momentum> state_;
};

}  // namespace amnet
