#include <amnet/kernels/sgd.h>

#include "kernels/arguments.h"
#include "lanes.h"
#include "update_terms.h"

namespace amnet {
namespace {

template <bool nesterov>
void step(Cpu& cpu, const SgdUpdate& update, const UpdateTerms& terms) {
  const SgdOptions& options = update.options;
  const Tensor &gradient = update.gradient, &momentum = update.momentum, &value = update.value;
  const auto step_of = [&]<class T, Regularization regularization>() {
    const T* gradients = gradient.data<T>().data();
    T* velocities = momentum.data<T>().data();
    T* values = value.data<T>().data();
    const T rate = static_cast<T>(options.learning_rate);
    const T keep = static_cast<T>(options.momentum);
    const T decay = static_cast<T>(options.weight_decay);
    const T scale = static_cast<T>(options.gradient_scale * clip_of(terms));
    for_elements(cpu, value.count(), [=](std::int64_t i) {
      const T slope = slope_of<regularization>(gradients[i], values[i], scale, decay);
      const T before = velocities[i];
      const T velocity = keep * before + rate * slope;
      velocities[i] = velocity;
      const T move = nesterov ? (1 + keep) * velocity - keep * before : velocity;
      values[i] -= move;
    });
  };
  with_regularization(terms.regularization, [&]<Regularization regularization>() {
    with_float(value.dtype(), "sgd", [&]<class T>() { step_of.template operator()<T, regularization>(); });
  });
}

template <bool nesterov>
void steps(Cpu& cpu, std::span<const SgdUpdate> updates, const UpdateTerms& terms) {
  for (const SgdUpdate& update : updates) check_sgd(update);
  if (is_halted(terms)) return;
  for (const SgdUpdate& update : updates) step<nesterov>(cpu, update, terms);
}

}  // namespace

void sgd_step(Cpu& cpu, std::span<const SgdUpdate> updates, const UpdateTerms& terms) { steps<false>(cpu, updates, terms); }

void nesterov_step(Cpu& cpu, std::span<const SgdUpdate> updates, const UpdateTerms& terms) { steps<true>(cpu, updates, terms); }

}  // namespace amnet
