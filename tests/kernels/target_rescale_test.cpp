#include <amnet/kernels/target_rescale.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

namespace {

const Tensor logits = Tensor::of<double>({2, 2}, {4, 2, -4, 3}), first_labels = Tensor::of<std::int64_t>({2}, {0, 0});
const Tensor slopes = Tensor::of<double>({2, 2}, {1, 1, 2, 10});

std::vector<double> rescaled(const TargetRescaleOptions& options) {
  Cpu cpu(1);
  const Tensor y(logits.shape(), DType::f64);
  target_rescale_forward(cpu, options, logits, first_labels, y);
  return values_of<double>(y);
}
std::vector<double> gradient(const TargetRescaleOptions& options) {
  Cpu cpu(1);
  const Tensor dx(logits.shape(), DType::f64);
  target_rescale_backward(cpu, options, logits, first_labels, slopes, {dx, Write::assign});
  return values_of<double>(dx);
}

}  // namespace

TEST_CASE("target_rescale: targets and others have their weights", "[target_rescale]") {
  using Values = std::vector<double>;
  CHECK(rescaled({.positive = 0.5, .negative = 2}) == Values{2, 4, -2, 6});
  CHECK(gradient({.positive = 0.5, .negative = 2}) == Values{0.5, 2, 1, 20});
  CHECK(rescaled({.positive = 0.5, .only_positive = true}) == Values{2, 2, -4, 3});
  CHECK(gradient({.positive = 0.5, .only_positive = true}) == Values{0.5, 1, 2, 10});
  CHECK(rescaled({.positive = 0.5, .keeps_one = true}) == Values{2.5, 2, -1.5, 3});
  CHECK(rescaled({.positive = 0.5, .keeps_one = true, .power = true}) == Values{2, 2, -2, 3});
  CHECK(gradient({.positive = 0.5, .power = true}) == Values{0.25, 1, 0.5, 10});
  CHECK(rescaled({.positive = 1, .keeps_one = true, .power = true}) == Values{4, 2, -4, 3});
}

TEST_CASE("target_rescale: the reference code's GPU power adds an angle", "[target_rescale]") {
  Cpu cpu(1);
  const double angle = 0.8, degrees = 30, turned = std::cos(angle + degrees * std::numbers::pi / 180);
  const Tensor x = Tensor::of<double>({1, 2}, {std::cos(angle), 0}), labels = Tensor::of<std::int64_t>({1}, {0}), y({1, 2}, DType::f64);
  const Tensor dy = Tensor::of<double>({1, 2}, {2, 2}), dx({1, 2}, DType::f64);
  TargetRescaleOptions options{.positive = degrees, .power = true, .arithmetic = Arithmetic::reference_gpu};
  target_rescale_forward(cpu, options, x, labels, y);
  CHECK(y.data<double>()[0] == Approx(turned));
  options.keeps_one = true;
  target_rescale_forward(cpu, options, x, labels, y);
  CHECK(y.data<double>()[0] == Approx(29 * (turned - 1) + std::cos(angle)));
  target_rescale_backward(cpu, options, x, labels, dy, {dx, Write::assign});
  CHECK(dx.data<double>()[0] == Approx(29 * 2 * std::sin(angle + degrees * std::numbers::pi / 180) / std::sin(angle) + 1));
}
