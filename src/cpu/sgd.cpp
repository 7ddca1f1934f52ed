#include <amnet/kernels/sgd.h>

#include "kernels/arguments.h"
#include "lanes.h"

namespace amnet {
namespace {

void step(Cpu& cpu, const SgdUpdate& update) {
  check_sgd(update);
  const SgdOptions& options = update.options;
  const Tensor &gradient = update.gradient, &momentum = update.momentum, &value = update.value;
  with_float(value.dtype(), "sgd", [&]<class T>() {
    const T* gradients = gradient.data<T>().data();
    T* velocities = momentum.data<T>().data();
    T* values = value.data<T>().data();
    const T rate = static_cast<T>(options.learning_rate);
    const T keep = static_cast<T>(options.momentum);
    const T decay = static_cast<T>(options.weight_decay);
    const T scale = static_cast<T>(options.gradient_scale);
    for_elements(cpu, value.count(), [=](std::int64_t i) {
      const T slope = scale * gradients[i] + decay * values[i];
      const T velocity = keep * velocities[i] + rate * slope;
      velocities[i] = velocity;
      values[i] -= velocity;
    });
  });
}

}  // namespace

void sgd_step(Cpu& cpu, std::span<const SgdUpdate> updates, const Tensor& halted) {
  if (halted.defined() && halted.data<std::uint8_t>()[0] != 0) return;
  for (const SgdUpdate& update : updates) step(cpu, update);
}

}  // namespace amnet
