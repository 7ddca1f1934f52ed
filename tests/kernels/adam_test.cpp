#include <amnet/kernels/adam.h>

#include <array>
#include <cmath>
#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("adam: two steps by hand", "[adam]") {
  Cpu cpu(1);
  const Tensor gradient = Tensor::of<double>({1}, {8.0}), mean = Tensor::zeros({1}, DType::f64), square = Tensor::zeros({1}, DType::f64),
               value = Tensor::of<double>({1}, {2.0});
  AdamOptions options{.beta1 = 0.5, .beta2 = 0.75, .epsilon = 0.1, .weight_decay = 0.5, .gradient_scale = 0.25};
  const auto step = [&](double rate) {
    options.learning_rate = rate;
    adam_step(cpu, std::array{AdamUpdate{options, gradient, mean, square, value}});
  };
  step(0.1);  // g = 0.25 * 8 + 0.5 * 2 = 3
  CHECK(mean.item() == Approx(1.5));
  CHECK(square.item() == Approx(2.25));
  CHECK(value.item() == Approx(2 - 0.1 * 1.5 / (1.5 + 0.1)));
  const double weight = value.item(), slope = 2 + 0.5 * weight;
  step(0.2);
  const double second_mean = 0.75 + 0.5 * slope, second_square = 0.75 * 2.25 + 0.25 * slope * slope;
  CHECK(mean.item() == Approx(second_mean));
  CHECK(square.item() == Approx(second_square));
  CHECK(value.item() == Approx(weight - 0.2 * second_mean / (std::sqrt(second_square) + 0.1)));
}

TEST_CASE("adam: the correction makes the first step as long as the rate", "[adam]") {
  CHECK(adam_correction(0.9, 0.999, 1) == Approx(std::sqrt(0.001) / 0.1));
  CHECK(adam_correction(0.5, 0.75, 2) == Approx(std::sqrt(1 - 0.5625) / 0.75));
  CHECK(adam_correction(0.9, 0.999, 1'000'000) == Approx(1));
  Cpu cpu(1);
  for (const float slope : {1e-3F, -50.F}) {
    const Tensor gradient = Tensor::of<float>({1}, {slope}), value = Tensor::zeros({1}, DType::f32);
    const AdamOptions options{.learning_rate = 0.01 * adam_correction(0.9, 0.999, 1)};
    adam_step(cpu, std::array{AdamUpdate{options, gradient, Tensor::zeros({1}, DType::f32), Tensor::zeros({1}, DType::f32), value}});
    CHECK(value.item() == Approx(slope > 0 ? -0.01 : 0.01).epsilon(1e-3));
  }
}

// Three steps of torch.optim.AdamW's rule at lr 0.1, betas (0.5, 0.75), eps 0.5, weight_decay 2,
// from w = 2 and with the gradients 8, 8, -4, by hand.
TEST_CASE("adam: AdamW by hand", "[adam]") {
  CHECK(adamw_root(0.75, 1) == Approx(0.5));
  CHECK(adamw_root(0.75, 2) == Approx(std::sqrt(0.4375)));
  Cpu cpu(1);
  const Tensor gradient = Tensor::of<double>({1}, {8.0}), mean = Tensor::zeros({1}, DType::f64), square = Tensor::zeros({1}, DType::f64),
               value = Tensor::of<double>({1}, {2.0});
  const auto step = [&](std::int64_t t, double slope) {
    gradient.fill(slope);
    const AdamOptions options{.learning_rate = 0.1 * adam_correction(0.5, 0.75, t),
                              .beta1 = 0.5,
                              .beta2 = 0.75,
                              .epsilon = 0.5 * adamw_root(0.75, t),
                              .shrink = 0.1 * 2};
    adam_step(cpu, std::array{AdamUpdate{options, gradient, mean, square, value}});
  };
  step(1, 8);  // m = 4, v = 16; corrected 8 and 64: w = 2 * 0.8 - 0.1 * 8 / (8 + 0.5)
  CHECK(mean.item() == 4);
  CHECK(square.item() == 16);
  CHECK(value.item() == Approx(1.6 - 0.8 / 8.5).epsilon(1e-14));
  const double first = value.item();
  step(2, 8);  // m = 6, v = 28; corrected 8 and 64 again
  CHECK(value.item() == Approx(first * 0.8 - 0.8 / 8.5).epsilon(1e-14));
  const double second = value.item();
  step(3, -4);  // m = 1, v = 25; corrected 8/7 and 1600/37
  CHECK(mean.item() == 1);
  CHECK(square.item() == 25);
  CHECK(value.item() == Approx(second * 0.8 - 0.1 * (8.0 / 7) / (std::sqrt(1600.0 / 37) + 0.5)).epsilon(1e-14));
}

TEST_CASE("adam: shared terms, every parameter by its own options, and a raised flag", "[adam]") {
  Cpu cpu(2);
  std::vector<AdamUpdate> updates;
  for (const std::int64_t count : {3, 1, 40'000}) {
    const auto filled = [count](double with) {
      const Tensor tensor({count}, DType::f64);
      tensor.fill(with);
      return tensor;
    };
    updates.push_back({{.learning_rate = 0.1 * static_cast<double>(updates.size() + 1), .weight_decay = 0.5},
                       filled(8),
                       filled(0),
                       filled(0),
                       filled(-4)});
  }
  adam_step(cpu, updates, {.halted = Tensor::of<std::uint8_t>({1}, {1})});
  for (const AdamUpdate& update : updates)
    CHECK(values_of<double>(update.value) == std::vector<double>(update.value.data<double>().size(), -4));
  adam_step(cpu, updates,
            {.regularization = Regularization::l1, .clip = Tensor::of<double>({1}, {0.25}), .halted = Tensor::of<std::uint8_t>({1}, {0})});
  const double slope = 0.25 * 8 - 0.5;
  for (const AdamUpdate& update : updates) {
    const double mean = 0.1 * slope, square = 0.001 * slope * slope;
    for (const double value : update.mean.data<double>()) CHECK(value == Approx(mean));
    for (const double value : update.square.data<double>()) CHECK(value == Approx(square));
    for (const double value : update.value.data<double>()) {
      CHECK(value == Approx(-4 - update.options.learning_rate * mean / (std::sqrt(square) + 1e-8)));
    }
  }
  adam_step(cpu, {});
  const Tensor two = Tensor::zeros({2}, DType::f32), three = Tensor::zeros({3}, DType::f32);
  CHECK_THROWS_AS(adam_step(cpu, std::array{AdamUpdate{{}, two, two, three, two}}), UsageError);
  CHECK_THROWS_AS(adam_step(cpu, std::array{AdamUpdate{{}, three, two, two, two}}), UsageError);
}
