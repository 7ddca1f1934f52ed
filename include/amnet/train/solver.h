// Stochastic gradient descent with momentum and weight decay per parameter, as the reference code's
// Caffe computes it: the learning rate is folded into the momentum buffer, V = momentum V + lr
// lr_mult (g + decay decay_mult w), w = w - V (sgd_solver.cpp of happynear/caffe-windows).
//
//   Solver solver(net, {.momentum = 0.9, .weight_decay = 5e-4});
//   solver.step(device, plan, schedule.at(iteration));
#pragma once

#include <amnet/net/plan.h>

#include <map>
#include <string>
#include <vector>

namespace amnet {

struct SolverOptions {
  double momentum = 0.9;
  double weight_decay = 5e-4;
};

class Solver {
 public:
  /// Momentum starts at zero, one buffer for each trainable parameter of `net`, where it lies.
  Solver(const Net& net, SolverOptions options);

  /// One update of the net's parameters from the gradients of a plan that trains it, each times
  /// `gradient_scale` (1 / accumulated micro-batches); none where `halted` (u8, 1) is defined and
  /// not 0. Throws UsageError for a parameter that was frozen when the solver was made.
  void step(Device& device, Plan& plan, double learning_rate, double gradient_scale = 1, const Tensor& halted = {});

  struct Momentum {
    std::string name;  ///< of the parameter: "conv1_1.weight"
    Tensor value;
  };
  /// What a resume must restore besides the parameters.
  std::vector<Momentum>& state() { return state_; }

 private:
  SolverOptions options_;
  std::vector<Momentum> state_;
  std::map<std::string, std::size_t, std::less<>> places_;  // in the state, by name
};

}  // namespace amnet
