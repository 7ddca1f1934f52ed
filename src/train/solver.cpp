#include <amnet/kernels/sgd.h>
#include <amnet/train/solver.h>

namespace amnet {

Solver::Solver(const Net& net, SolverOptions options) : options_(options) {
  net.look([&](const std::string& name, const Parameter& parameter) {
    if (!parameter.trainable()) return;
    places_[name] = state_.size();
    state_.push_back({name, Tensor::zeros(parameter.value.shape(), parameter.value.dtype(), parameter.value.memory())});
  });
}

void Solver::step(Device& device, Plan& plan, double learning_rate, double gradient_scale, const Tensor& halted) {
  const auto alone = plan.alone();
  std::vector<SgdUpdate> updates;
  updates.reserve(state_.size());
  plan.visit([&](const std::string& name, Parameter& parameter, const Tensor& gradient) {
    const auto place = places_.find(name);
    require(place != places_.end(), "[solver] '{}' has no momentum: it was frozen, or not there, when the solver was made.", name);
    updates.push_back({.options = {.learning_rate = learning_rate * parameter.lr_mult,
                                   .momentum = options_.momentum,
                                   .weight_decay = options_.weight_decay * parameter.decay_mult,
                                   .gradient_scale = gradient_scale},
                       .gradient = gradient,
                       .momentum = state_[place->second].value,
                       .value = parameter.value});
  });
  on(device, [&](auto& backend) { sgd_step(backend, updates, halted); });
}

}  // namespace amnet
