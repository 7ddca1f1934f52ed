// The update of a net's parameters in a training step, with multipliers per parameter, as the
// reference code's Caffe computes it (the solvers of happynear/caffe-windows). In this order: the
// gradients are clipped together, averaged over the micro-batches, decayed, and used by the method:
// SGD with momentum, Nesterov's momentum (kernels/sgd.h) or Adam (kernels/adam.h). The learning
// rate is folded into the momentum: V = momentum V + lr lr_mult (g + decay decay_mult w), w = w -
// V.
//
// Adam is Caffe's: the decay is in the gradient, and epsilon is added to the uncorrected root.
// AdamW is Loshchilov and Hutter's (arXiv 1711.05101, algorithm 2) as in PyTorch's
// torch.optim.AdamW: the gradient has no decay, the weight shrinks by lr lr_mult decay decay_mult
// of itself, and epsilon is added to the corrected root.
//
//   Solver solver(net, {.momentum = 0.9, .weight_decay = 5e-4});
//   solver.step(device, plan, schedule.at(iteration));
#pragma once

#include <amnet/kernels/update_terms.h>
#include <amnet/net/plan.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

enum class SolverMethod : unsigned char { sgd, nesterov, adam, adamw };
constexpr std::array<std::string_view, 4> names_of(SolverMethod) { return {"sgd", "nesterov", "adam", "adamw"}; }

struct SolverOptions {
  SolverMethod method = SolverMethod::sgd;
  double momentum = 0.9;  ///< beta1 of Adam and AdamW, then below 1
  double weight_decay = 5e-4;
  /// what weight_decay multiplies: w, or its sign, which AdamW does not have
  Regularization regularization = Regularization::l2;
  /// The largest norm of all gradients of a step together, the sums over its micro-batches; longer
  /// ones are scaled down to it. 0: any.
  double clip_norm = 0;
  double beta2 = 0.999;   ///< of Adam (Caffe's momentum2) and AdamW
  double epsilon = 1e-8;  ///< of Adam (Caffe's delta) and AdamW
};

/// The tensors that a method keeps for each parameter: 1, of Adam and AdamW 2.
constexpr int moments_of(SolverMethod method) { return method == SolverMethod::adam || method == SolverMethod::adamw ? 2 : 1; }

class Solver {
 public:
  /// Moments start at zero, for each trainable parameter of `net`, where it lies. Throws UsageError
  /// for options out of range.
  Solver(const Net& net, SolverOptions options);

  /// One update of the net's parameters from the gradients of a plan that trains it, each times
  /// `gradient_scale` (1 / accumulated micro-batches); none where `halted` (u8, 1) is defined and
  /// not 0. `number` counts updates from 0; Adam's correction depends on it. By default it is one
  /// more than that of the last call. Throws UsageError for a parameter that was frozen when the
  /// solver was made.
  void step(Device& device, Plan& plan, double learning_rate, double gradient_scale = 1, const Tensor& halted = {},
            std::optional<std::int64_t> number = {});

  struct Momentum {
    /// of the parameter: "conv1_1.weight"; of Adam's squares "conv1_1.weight.square"
    std::string name;
    Tensor value;
  };
  /// What a resume must restore besides the parameters and the number of the step: a tensor for
  /// each parameter, in the order of the net; of Adam first all means and then all squares.
  std::vector<Momentum>& state() { return state_; }
  const SolverOptions& options() const { return options_; }

 private:
  UpdateTerms terms(Device& device, const Plan& plan, const Tensor& halted) const;

  SolverOptions options_;
  std::vector<Momentum> state_;
  // in the state, by the name of the parameter
  std::map<std::string, std::size_t, std::less<>> places_;
  Tensor squares_, clip_;  // f64 (1), where gradients are clipped
  std::int64_t next_ = 0;  // the number of the next step
};

}  // namespace amnet
