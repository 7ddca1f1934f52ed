// Which parameters learn, and how fast, by their names.
#include <amnet/train/checkpoints.h>
#include <amnet/train/parameter_rates.h>
#include <amnet/train/train_run.h>

#include <map>
#include <string>
#include <vector>

#include "catch.h"
#include "data/test_images.h"
#include "small_training.h"

using namespace amnet;
using namespace amnet::small_training;
using Catch::Contains;

namespace {

std::map<std::string, double> multipliers_of(const Net& net) {
  std::map<std::string, double> multipliers;
  net.look([&](const std::string& name, const Parameter& parameter) { multipliers[name] = parameter.lr_mult; });
  return multipliers;
}

}  // namespace

TEST_CASE("parameter rates: * is any characters, ? is one, and a pattern is for the whole name", "[parameter_rates]") {
  CHECK(matches("fc5.weight", "fc5.weight"));
  CHECK(!matches("fc5", "fc5.weight"));
  CHECK(!matches("5.weight", "fc5.weight"));
  CHECK(matches("fc5.*", "fc5.weight"));
  CHECK(matches("*", ""));
  CHECK(matches("*", "fc5.weight"));
  CHECK(!matches("", "fc5.weight"));
  CHECK(matches("", ""));
  CHECK(matches("conv?_1.weight", "conv2_1.weight"));
  CHECK(!matches("conv?_1.weight", "conv_1.weight"));
  CHECK(!matches("conv?_1.weight", "conv12_1.weight"));
  CHECK(!matches("fc?", "fc"));
  CHECK(matches("*.bias", "a.b.bias"));
  CHECK(matches("*_1.*t", "conv1_1_1.weight"));  // the first _1. is not the one
  CHECK(!matches("*_1.*s", "conv1_1_1.weight"));
  CHECK(matches("**c*5**", "fc5"));
  CHECK(!matches("fc[56].weight", "fc5.weight"));  // no sets
  CHECK(!matches("FC5.weight", "fc5.weight"));
}

TEST_CASE("parameter rates: factors multiply a parameter's own, the last pattern applies, and frozen stays frozen", "[parameter_rates]") {
  Model model = small_model();
  CHECK(multipliers_of(model.net).at("fc1.bias") == 2);
  const ChosenRates chosen =
      apply_rates(model.net, {.freeze = {"gain.gain", "norm.s*"}, .lr_mult = {{"*", 0.5}, {"fc?.bias", 0.25}, {"gain*", 8}, {"fc2.*", 1}}});
  const std::map<std::string, double> now = multipliers_of(model.net);
  CHECK(now.at("fc1.weight") == 0.5);
  CHECK(now.at("fc1.bias") == 0.5);  // twice a quarter
  CHECK(now.at("fc2.weight") == 1);
  CHECK(now.at("fc2.bias") == 2);
  CHECK(now.at("gain.gain") == 0);
  CHECK(now.at("norm.scale") == 0);
  CHECK(now.at("norm.shift") == 0);
  CHECK(now.at("norm.running_mean") == 1);  // a buffer has no rate, and its name was not given
  CHECK(now.at("gain.passes") == 1);
  CHECK(chosen.parameters == 7);
  CHECK(chosen.values == 2 * 16 + 16 + 16 + 16 + 1 + 16 * 2 + 2);
  CHECK(chosen.frozen == 3);
  CHECK(chosen.frozen_values == 33);
  CHECK(chosen.other_rates == 2);
  CHECK(chosen.statistics == 0);
  CHECK(chosen.str() == "Frozen: 3 of 7 parameters, 33 of 115 values (norm, gain); another learning rate: 2.");
}

TEST_CASE("parameter rates: frozen layers and their running statistics keep every bit, the rest learns", "[parameter_rates]") {
  SmallTraining small;
  small.model.net.initialise(5);
  const auto before = bits_of(small.model.net);
  const ChosenRates chosen = apply_rates(small.model.net, {.freeze = {"fc1.*", "norm.*"}});
  CHECK(chosen.statistics == 1);
  CHECK_THAT(chosen.str(), Contains("(fc1, norm); running statistics that stay: of 1 layers; another learning rate: 0."));
  Trainer trainer(small.device, small.model, small.source, {.steps = 5});
  while (trainer.run_step()) {
  }
  const auto after = bits_of(small.model.net);
  for (const auto& [name, bits] : before) {
    INFO(name);
    const bool learns = name.starts_with("fc2.") || name.starts_with("gain.");
    CHECK((after.at(name) == bits) == !learns);
  }
  for (const Solver::Momentum& momentum : trainer.solver().state())
    CHECK((momentum.name.starts_with("fc2") || momentum.name == "gain.gain"));

  // With only the parameters frozen the statistics go on.
  SmallTraining other;
  other.model.net.initialise(5);
  apply_rates(other.model.net, {.freeze = {"fc1.*", "norm.s*"}});
  Trainer second(other.device, other.model, other.source, {.steps = 5});
  while (second.run_step()) {
  }
  CHECK(bits_of(other.model.net).at("norm.running_mean") != before.at("norm.running_mean"));
  CHECK(bits_of(other.model.net).at("norm.scale") == before.at("norm.scale"));
}

TEST_CASE("parameter rates: a pattern for nothing is refused with the nearest names", "[parameter_rates]") {
  const auto refused = [](const ParameterRates& rates, const std::string& what) {
    Model model = small_model();
    INFO(what);
    CHECK_THROWS_WITH(apply_rates(model.net, rates), Contains(what));
    CHECK(multipliers_of(model.net) == multipliers_of(small_model().net));
  };
  refused({.freeze = {"fc1.*", "fc3.weight"}},
          ".freeze: 'fc3.weight' is for no parameter of this net; the nearest are fc1.weight, fc2.weight");
  refused({.freeze = {"fc1"}}, ".freeze: 'fc1' is for no parameter of this net; the nearest are fc1.");
  refused({.freeze = {""}}, ".freeze: ''");
  // buffers have no rate
  refused({.lr_mult = {{"norm.running_*", 2}}}, ".lr_mult: 'norm.running_*'");
  refused({.lr_mult = {{"fc1.*", 0}}}, "'fc1.*' but got 0; .freeze");
  refused({.lr_mult = {{"fc1.*", -1}}}, "above 0");
  refused({.lr_mult = {{"fc1.*", 1.0 / 0.0}}}, "above 0");
  Model model = small_model();
  CHECK_THROWS_WITH(apply_rates(model.net, {.freeze = {"*"}}), Contains("all 7 parameters"));
}

TEST_CASE("parameter rates: a resumed run may freeze more, or less, whose momentum starts at zero", "[parameter_rates]") {
  const test_images::TemporaryFolder folder;
  std::string lines;
  const auto run_to = [&](std::int64_t steps, const ParameterRates& rates) {
    SmallTraining small;
    apply_rates(small.model.net, rates);
    Trainer trainer(small.device, small.model, small.source, {.steps = steps, .seed = 3});
    lines.clear();
    RunLog log(folder.path() / "train.log", [&](std::string_view line) { lines += std::string(line) + "\n"; });
    Checkpoints checkpoints(folder.path(), log, {.every = 5});
    train(trainer, {&checkpoints});
    return bits_of(small.model.net);
  };
  const auto first = run_to(5, {.freeze = {"fc1.*"}});
  const auto second = run_to(10, {});
  CHECK_THAT(lines, Contains("Frozen until now, so that its momentum starts at zero: fc1.weight, fc1.bias"));
  CHECK(first.at("fc1.weight") != second.at("fc1.weight"));
  const auto third = run_to(15, {.freeze = {"fc2.*"}, .lr_mult = {{"fc1.*", 0.1}}});
  CHECK_THAT(lines, !Contains("Frozen until now"));
  CHECK(second.at("fc2.weight") == third.at("fc2.weight"));
  CHECK(second.at("fc1.weight") != third.at("fc1.weight"));
}
