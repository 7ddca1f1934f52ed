// Frozen parameters, and learning rates of single ones, by name: for fine-tuning, where layers that
// are trained already stay as they are or learn more slowly than a new head.
//
//   const ChosenRates chosen = apply_rates(model.net, {.freeze = {"fc1.*"}, .lr_mult = {{"*.bias", 0.5}}});
//   fmt::print("{}\n", chosen.str());   // "Frozen: 2 of 6 parameters, 48 of 202 values (fc1); another learning rate: 2."
//   Trainer trainer(device, model, source, {.steps = 1000});   // plans and solvers are made after that
//
// A pattern is for the whole name, such as "conv1_1.weight": `*` stands for any number of any
// characters, and `?` for one.
#pragma once

#include <amnet/net/net.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// Whether a pattern is for this name.
bool matches(std::string_view pattern, std::string_view name);

struct RateFactor {
  std::string pattern;
  double factor = 1;  ///< above 0

  friend bool operator==(const RateFactor&, const RateFactor&) = default;
};

struct ParameterRates {
  /// These get no gradient, and backward ends at the first layer that learns. Of a BatchNorm whose
  /// "running_mean" is among them, as with "bn1.*", the running statistics stay too, and training
  /// normalises with them.
  std::vector<std::string> freeze = {};
  /// Multiply Parameter::lr_mult, so that a bias with twice the rate of its weight keeps that
  /// ratio. Of several patterns for one parameter the last one applies.
  std::vector<RateFactor> lr_mult = {};

  bool empty() const { return freeze.empty() && lr_mult.empty(); }
  friend bool operator==(const ParameterRates&, const ParameterRates&) = default;
};

/// What apply_rates did; buffers are not counted.
struct ChosenRates {
  std::int64_t parameters = 0, values = 0;  ///< of the net
  std::int64_t frozen = 0, frozen_values = 0;
  std::int64_t other_rates = 0;            ///< that learn, and of which a factor is not 1
  std::int64_t statistics = 0;             ///< layers whose running statistics are kept
  std::vector<std::string> frozen_layers;  ///< with the first name of each, in the order of the net

  /// One sentence.
  std::string str() const;
};

/// Throws UsageError for a pattern that is for no parameter of the net, which names the nearest, a
/// factor that is not above 0, and a net in which nothing is left to learn.
ChosenRates apply_rates(Net& net, const ParameterRates& rates);

}  // namespace amnet
