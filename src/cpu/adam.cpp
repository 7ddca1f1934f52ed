#include <amnet/kernels/adam.h>

#include "kernels/arguments.h"
#include "lanes.h"
#include "update_terms.h"

#include <cmath>

namespace amnet {
namespace {

template <class T, Regularization regularization>
void step(Cpu& cpu, const AdamUpdate& update, const UpdateTerms& terms) {
  const AdamOptions& options = update.options;
  const T* gradients = update.gradient.data<T>().data();
  T* means = update.mean.data<T>().data();
  T* squares = update.square.data<T>().data();
  T* values = update.value.data<T>().data();
  const T rate = static_cast<T>(options.learning_rate), epsilon = static_cast<T>(options.epsilon);
  const T keep_mean = static_cast<T>(options.beta1), keep_square = static_cast<T>(options.beta2);
  const T new_mean = static_cast<T>(1 - options.beta1), new_square = static_cast<T>(1 - options.beta2);
  const T decay = static_cast<T>(options.weight_decay), shrink = static_cast<T>(options.shrink);
  const T scale = static_cast<T>(options.gradient_scale * clip_of(terms));
  for_elements(cpu, update.value.count(), [=](std::int64_t i) {
    const T slope = slope_of<regularization>(gradients[i], values[i], scale, decay);
    const T mean = keep_mean * means[i] + new_mean * slope;
    const T square = keep_square * squares[i] + new_square * (slope * slope);
    means[i] = mean;
    squares[i] = square;
    // one rounding of the sum: 1 - shrink, as a factor, would lose digits of a small shrink
    values[i] -= rate * mean / (std::sqrt(square) + epsilon) + shrink * values[i];
  });
}

}  // namespace

void adam_step(Cpu& cpu, std::span<const AdamUpdate> updates, const UpdateTerms& terms) {
  for (const AdamUpdate& update : updates) check_adam(update);
  if (is_halted(terms)) return;
  for (const AdamUpdate& update : updates) {
    with_regularization(terms.regularization, [&]<Regularization regularization>() {
      with_float(update.value.dtype(), "adam", [&]<class T>() { step<T, regularization>(cpu, update, terms); });
    });
  }
}

}  // namespace amnet
