#include <amnet/kernels/sgd.h>

#include <array>
#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("sgd: the learning rate is inside the momentum, and decay acts on the old weight", "[sgd]") {
  Cpu cpu(1);
  const Tensor gradient = Tensor::of<double>({1}, {8.0}), momentum = Tensor::zeros({1}, DType::f64), value = Tensor::of<double>({1}, {2.0});
  const SgdOptions options{.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.5, .gradient_scale = 0.25};
  const auto step = [&](SgdOptions chosen) { sgd_step(cpu, std::array{SgdUpdate{chosen, gradient, momentum, value}}); };
  step(options);
  const double first = 0.1 * (0.25 * 8 + 0.5 * 2);
  CHECK(momentum.item() == Approx(first));
  CHECK(value.item() == Approx(2 - first));
  const double weight = value.item();
  step({.learning_rate = 0.01, .momentum = 0.9, .weight_decay = 0.5, .gradient_scale = 0.25});
  // the new rate does not rescale the old update
  const double second = 0.9 * first + 0.01 * (0.25 * 8 + 0.5 * weight);
  CHECK(momentum.item() == Approx(second));
  CHECK(value.item() == Approx(weight - second));
}

TEST_CASE("sgd: every parameter of a step moves by its own options", "[sgd]") {
  Cpu cpu(2);
  std::vector<SgdUpdate> updates;
  for (const std::int64_t count : {3, 1, 7}) {
    const Tensor gradient({count}, DType::f64), momentum({count}, DType::f64), value({count}, DType::f64);
    gradient.fill(2);
    momentum.fill(0.5);
    value.fill(4);
    updates.push_back({{.learning_rate = 0.1 * static_cast<double>(count), .momentum = 0.5}, gradient, momentum, value});
  }
  sgd_step(cpu, updates);
  for (const SgdUpdate& update : updates) {
    const double wanted = 0.5 * 0.5 + update.options.learning_rate * 2;
    for (const double velocity : update.momentum.data<double>()) CHECK(velocity == Approx(wanted));
    for (const double value : update.value.data<double>()) CHECK(value == Approx(4 - wanted));
  }
  sgd_step(cpu, {});
  const Tensor two = Tensor::zeros({2}, DType::f32), three = Tensor::zeros({3}, DType::f32);
  CHECK_THROWS_AS(sgd_step(cpu, std::array{SgdUpdate{{}, two, two, three}}), UsageError);
}

TEST_CASE("sgd: a raised flag keeps everything as it is", "[sgd]") {
  Cpu cpu(1);
  const Tensor gradient = Tensor::of<float>({2}, {1, 2}), momentum = Tensor::of<float>({2}, {3, 4}), value = Tensor::of<float>({2}, {5, 6});
  const std::vector<SgdUpdate> updates = {{{.learning_rate = 1}, gradient, momentum, value}};
  const Tensor flag = Tensor::of<std::uint8_t>({1}, {1});
  sgd_step(cpu, updates, {.halted = flag});
  CHECK(values_of<float>(value) == std::vector<float>{5, 6});
  CHECK(values_of<float>(momentum) == std::vector<float>{3, 4});
  flag.clear();
  sgd_step(cpu, updates, {.halted = flag});
  CHECK(values_of<float>(value) != std::vector<float>{5, 6});
}

TEST_CASE("sgd: Nesterov's step looks ahead by the momentum", "[sgd]") {
  Cpu cpu(1);
  const Tensor gradient = Tensor::of<double>({1}, {8.0}), momentum = Tensor::of<double>({1}, {0.5}), value = Tensor::of<double>({1}, {2.0});
  nesterov_step(cpu, std::array{SgdUpdate{
                         {.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.5, .gradient_scale = 0.25}, gradient, momentum, value}});
  // V = 0.9 * 0.5 + 0.1 * (0.25 * 8 + 0.5 * 2) = 0.75; w = 2 - (1.9 * 0.75 - 0.9 * 0.5)
  CHECK(momentum.item() == Approx(0.75));
  CHECK(value.item() == Approx(1.025));
}

TEST_CASE("sgd: decay of l1 pulls by the sign of a weight, and not at all at 0", "[sgd]") {
  Cpu cpu(1);
  const Tensor gradient = Tensor::of<double>({3}, {1, 1, 1}), momentum = Tensor::zeros({3}, DType::f64),
               value = Tensor::of<double>({3}, {4, -0.25, 0});
  const std::array update = {SgdUpdate{{.learning_rate = 0.1, .momentum = 0, .weight_decay = 0.5}, gradient, momentum, value}};
  sgd_step(cpu, update, {.regularization = Regularization::l1});
  const std::vector<double> velocity = values_of<double>(momentum);
  CHECK(velocity[0] == Approx(0.1 * 1.5));
  CHECK(velocity[1] == Approx(0.1 * 0.5));
  CHECK(velocity[2] == Approx(0.1));
  CHECK(values_of<double>(value)[1] == Approx(-0.3));
}

TEST_CASE("sgd: a factor of clipping acts on gradients and not on the decay", "[sgd]") {
  Cpu cpu(1);
  for (const bool nesterov : {false, true}) {
    const Tensor gradient = Tensor::of<double>({1}, {8.0}), momentum = Tensor::zeros({1}, DType::f64),
                 value = Tensor::of<double>({1}, {2.0});
    const SgdOptions options{.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.5, .gradient_scale = 0.25};
    const std::array update = {SgdUpdate{options, gradient, momentum, value}};
    const UpdateTerms terms{.clip = Tensor::of<double>({1}, {0.125})};
    nesterov ? nesterov_step(cpu, update, terms) : sgd_step(cpu, update, terms);
    CHECK(momentum.item() == Approx(0.1 * (0.125 * 0.25 * 8 + 0.5 * 2)));
  }
}
