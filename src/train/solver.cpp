#include <amnet/kernels/sgd.h>
#include <amnet/train/solver.h>

namespace amnet {

Solver::Solver(Net& net, SolverOptions options) : net_(net), options_(options) {
  net_.visit([&](const std::string& name, Parameter& parameter) {
    if (parameter.trainable())
      state_.push_back({name, Tensor::zeros(parameter.value.shape(), parameter.value.dtype(), parameter.value.memory())});
  });
}

void Solver::step(Device& device, double learning_rate, double gradient_scale, const Tensor& halted) {
  std::vector<SgdUpdate> updates;
  updates.reserve(state_.size());
  net_.visit([&](const std::string&, Parameter& parameter) {
    if (!parameter.trainable()) return;
    updates.push_back({.options = {.learning_rate = learning_rate * parameter.lr_mult,
                                   .momentum = options_.momentum,
                                   .weight_decay = options_.weight_decay * parameter.decay_mult,
                                   .gradient_scale = gradient_scale},
                       .gradient = parameter.gradient,
                       .momentum = state_[updates.size()].value,
                       .value = parameter.value});
  });
  on(device, [&](auto& backend) { sgd_step(backend, updates, halted); });
}

}  // namespace amnet
