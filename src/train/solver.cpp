#include <amnet/core/named.h>
#include <amnet/kernels/adam.h>
#include <amnet/kernels/clip_factor.h>
#include <amnet/kernels/sgd.h>
#include <amnet/kernels/sum_of_squares.h>
#include <amnet/train/solver.h>

#include <cmath>

namespace amnet {
namespace {

SolverOptions checked(SolverOptions options) {
  const auto in_range = [](std::string_view field, double value, double least) {
    require(std::isfinite(value) && value >= least, "[solver] expected {} of at least {} but got {}.", field, least, value);
  };
  in_range(".momentum", options.momentum, 0);
  in_range(".weight_decay", options.weight_decay, 0);
  in_range(".clip_norm", options.clip_norm, 0);
  if (moments_of(options.method) == 1) return options;
  in_range(".epsilon", options.epsilon, 0);
  const auto below_one = [&](std::string_view field, double value) {
    require(value >= 0 && value < 1, "[solver] expected {} of {} from 0 to below 1 but got {}.", field, name_of(options.method), value);
  };
  below_one(".momentum", options.momentum);
  below_one(".beta2", options.beta2);
  require(options.method != SolverMethod::adamw || options.regularization == Regularization::l2,
          "[solver] adamw shrinks the weights themselves, which is .regularization l2, but got {}.", name_of(options.regularization));
  return options;
}

}  // namespace

Solver::Solver(const Net& net, SolverOptions options) : options_(checked(options)) {
  for (int moment = 0; moment < moments_of(options_.method); ++moment) {
    net.look([&](const std::string& name, const Parameter& parameter) {
      if (!parameter.trainable()) return;
      if (moment == 0) places_[name] = state_.size();
      state_.push_back({moment == 0 ? name : name + ".square",
                        Tensor::zeros(parameter.value.shape(), parameter.value.dtype(), parameter.value.memory())});
    });
  }
  if (options_.clip_norm > 0) {
    squares_ = Tensor::zeros({1}, DType::f64, net.memory());
    clip_ = Tensor::zeros({1}, DType::f64, net.memory());
  }
}

// On a GPU nothing waits for the norm: the kernels of the update read the factor where it is.
UpdateTerms Solver::terms(Device& device, const Plan& plan, const Tensor& halted) const {
  if (clip_.defined()) {
    on(device, [&](auto& backend) {
      sum_of_squares(backend, plan.gradients(), squares_);
      clip_factor(backend, squares_, options_.clip_norm, clip_);
    });
  }
  return {.regularization = options_.regularization, .clip = clip_, .halted = halted};
}

void Solver::step(Device& device, Plan& plan, double learning_rate, double gradient_scale, const Tensor& halted,
                  std::optional<std::int64_t> number) {
  const std::int64_t done = number.value_or(next_);
  next_ = done + 1;
  const auto alone = plan.alone();
  const UpdateTerms shared = terms(device, plan, halted);
  std::vector<SgdUpdate> sgd;
  std::vector<AdamUpdate> adam;
  const bool is_adam = moments_of(options_.method) == 2, is_adamw = options_.method == SolverMethod::adamw;
  const double correction = is_adam ? adam_correction(options_.momentum, options_.beta2, done + 1) : 1;
  const double epsilon = is_adamw ? options_.epsilon * adamw_root(options_.beta2, done + 1) : options_.epsilon;
  plan.visit([&](const std::string& name, Parameter& parameter, const Tensor& gradient) {
    const auto found = places_.find(name);
    require(found != places_.end(), "[solver] '{}' has no momentum: it was frozen, or not there, when the solver was made.", name);
    const std::size_t place = found->second;
    const double rate = learning_rate * parameter.lr_mult, decay = options_.weight_decay * parameter.decay_mult;
    if (is_adam) {
      adam.push_back({.options = {.learning_rate = rate * correction,
                                  .beta1 = options_.momentum,
                                  .beta2 = options_.beta2,
                                  .epsilon = epsilon,
                                  .weight_decay = is_adamw ? 0 : decay,
                                  .shrink = is_adamw ? rate * decay : 0,
                                  .gradient_scale = gradient_scale},
                      .gradient = gradient,
                      .mean = state_[place].value,
                      .square = state_[places_.size() + place].value,
                      .value = parameter.value});
    } else {
      sgd.push_back(
          {.options = {.learning_rate = rate, .momentum = options_.momentum, .weight_decay = decay, .gradient_scale = gradient_scale},
           .gradient = gradient,
           .momentum = state_[place].value,
           .value = parameter.value});
    }
  });
  on(device, [&](auto& backend) {
    switch (options_.method) {
      case SolverMethod::sgd: return sgd_step(backend, sgd, shared);
      case SolverMethod::nesterov: return nesterov_step(backend, sgd, shared);
      case SolverMethod::adam:
      case SolverMethod::adamw: return adam_step(backend, adam, shared);
    }
  });
}

}  // namespace amnet
