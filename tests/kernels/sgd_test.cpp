#include <amnet/kernels/sgd.h>

#include "catch.h"

using namespace amnet;

TEST_CASE("sgd: the learning rate is inside the momentum, and decay acts on the old weight", "[sgd]") {
  Cpu cpu(1);
  const Tensor gradient = Tensor::of<double>({1}, {8.0}), momentum = Tensor::zeros({1}, DType::f64), value = Tensor::of<double>({1}, {2.0});
  const SgdOptions options{.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.5, .gradient_scale = 0.25};
  sgd_step(cpu, options, gradient, momentum, value);
  const double first = 0.1 * (0.25 * 8 + 0.5 * 2);
  CHECK(momentum.item() == Approx(first));
  CHECK(value.item() == Approx(2 - first));
  const double weight = value.item();
  sgd_step(cpu, {.learning_rate = 0.01, .momentum = 0.9, .weight_decay = 0.5, .gradient_scale = 0.25}, gradient, momentum, value);
  const double second = 0.9 * first + 0.01 * (0.25 * 8 + 0.5 * weight);  // the old step is not rescaled by the new rate
  CHECK(momentum.item() == Approx(second));
  CHECK(value.item() == Approx(weight - second));
}
