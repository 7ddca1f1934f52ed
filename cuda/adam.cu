#include <amnet/kernels/adam.h>

#include "kernels/arguments.h"
#include "update_step.h"

#include <cmath>

namespace amnet {
namespace {

constexpr std::string_view who = "adam";

struct Moments {
  static constexpr const char* name = "AdamStep";
  static constexpr int states = 2;  // the means of the slope and of its square
  float scale, decay, rate, epsilon, shrink, keep_mean, new_mean, keep_square, new_square;

  AMNET_DEVICE void operator()(float slope, Elements<states>& state, float& value) const {
    auto& [mean, square] = state.of;
    mean = keep_mean * mean + new_mean * slope;
    square = keep_square * square + new_square * (slope * slope);
    value -= rate * mean / (sqrtf(square) + epsilon) + shrink * value;
  }
};

}  // namespace

void adam_step(Cuda& cuda, std::span<const AdamUpdate> updates, const UpdateTerms& terms) {
  update_step<Moments>(cuda, updates, terms, who, [](const AdamUpdate& update) {
    check_adam(update);
    const auto& [options, gradient, mean, square, value] = update;
    return UpdateRow<Moments>{.gradients = elements<const float>(gradient, who),
                              .states = {elements<float>(mean, who), elements<float>(square, who)},
                              .values = elements<float>(value, who),
                              .count = value.count(),
                              .first_block = 0,
                              .rule = {.scale = static_cast<float>(options.gradient_scale),
                                       .decay = static_cast<float>(options.weight_decay),
                                       .rate = static_cast<float>(options.learning_rate),
                                       .epsilon = static_cast<float>(options.epsilon),
                                       .shrink = static_cast<float>(options.shrink),
                                       .keep_mean = static_cast<float>(options.beta1),
                                       .new_mean = static_cast<float>(1 - options.beta1),
                                       .keep_square = static_cast<float>(options.beta2),
                                       .new_square = static_cast<float>(1 - options.beta2)}};
  });
}

}  // namespace amnet
