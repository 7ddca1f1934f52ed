#include <amnet/kernels/sgd.h>

#include "kernels/arguments.h"
#include "update_step.h"

namespace amnet {
namespace {

constexpr std::string_view who = "sgd";

template <bool nesterov>
struct Momentum {
  static constexpr const char* name = nesterov ? "NesterovStep" : "SgdStep";
  static constexpr int states = 1;  // the velocity
  float scale, decay, rate, keep;

  AMNET_DEVICE void operator()(float slope, Elements<states>& state, float& value) const {
    float& velocity = state.of[0];
    const float before = velocity;
    velocity = keep * velocity + rate * slope;
    value -= nesterov ? (1 + keep) * velocity - keep * before : velocity;
  }
};

template <bool nesterov>
void step(Cuda& cuda, std::span<const SgdUpdate> updates, const UpdateTerms& terms) {
  using Rule = Momentum<nesterov>;
  update_step<Rule>(cuda, updates, terms, who, [](const SgdUpdate& update) {
    check_sgd(update);
    const auto& [options, gradient, momentum, value] = update;
    return UpdateRow<Rule>{.gradients = elements<const float>(gradient, who),
                           .states = {elements<float>(momentum, who)},
                           .values = elements<float>(value, who),
                           .count = value.count(),
                           .first_block = 0,
                           .rule = {.scale = static_cast<float>(options.gradient_scale),
                                    .decay = static_cast<float>(options.weight_decay),
                                    .rate = static_cast<float>(options.learning_rate),
                                    .keep = static_cast<float>(options.momentum)}};
  });
}

}  // namespace

void sgd_step(Cuda& cuda, std::span<const SgdUpdate> updates, const UpdateTerms& terms) { step<false>(cuda, updates, terms); }

void nesterov_step(Cuda& cuda, std::span<const SgdUpdate> updates, const UpdateTerms& terms) { step<true>(cuda, updates, terms); }

}  // namespace amnet
