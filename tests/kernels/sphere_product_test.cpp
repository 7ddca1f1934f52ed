#include <amnet/kernels/sphere_product.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "catch.h"
#include "kernels/sphere_angle.h"
#include "values.h"

using namespace amnet;

TEST_CASE("sphere_product: psi falls from 1 to 1 - 2 m over the angles, without a jump", "[sphere_product]") {
  for (const int m : {1, 2, 3, 4}) {
    for (int step = 0; step <= 1000; ++step) {
      const double angle = std::numbers::pi * step / 1000;
      const double k = std::min(std::floor(m * angle / std::numbers::pi), m - 1.0);
      const double psi = (static_cast<int>(k) % 2 == 0 ? 1 : -1) * std::cos(m * angle) - 2 * k;
      INFO(m << " times " << angle);
      CHECK(SphereAngle<double>::of(m, std::cos(angle)).psi == Approx(psi).margin(1e-9));
    }
    CHECK(SphereAngle<double>::of(m, 1).psi == 1);
    CHECK(SphereAngle<double>::of(m, -1).psi == 1 - 2 * m);
  }
}

TEST_CASE("sphere_product: the margin changes the target's product alone", "[sphere_product]") {
  Cpu cpu(2);
  // |x| = 5 and c = 0.6
  const Tensor x = Tensor::of<double>({1, 2}, {3, 4}), labels = Tensor::of<std::int64_t>({1}, {1});
  const Tensor y = Tensor::of<double>({1, 2}, {4, 3}), targets({1, 2}, DType::f64);
  sphere_margin_forward(cpu, {.multiplier = 2, .lambda = 3}, x, labels, y, targets);
  CHECK(y.data<double>()[0] == 4);
  CHECK(y.data<double>()[1] == Approx((5 * (2 * 0.36 - 1) + 3 * 3) / 4));
  CHECK(targets.data<double>()[0] == Approx(5));
  CHECK(targets.data<double>()[1] == Approx(0.6));

  const Tensor dy = Tensor::of<double>({1, 2}, {7, 8}), scaled({1, 2}, DType::f64), along({1, 1}, DType::f64);
  sphere_margin_backward(cpu, {.multiplier = 2, .lambda = 3}, targets, labels, dy, scaled, along);
  const double slope = 4 * 0.6, radius = (2 * 0.36 - 1 - 0.6 * slope) / 5;
  CHECK(scaled.data<double>()[0] == 7);
  CHECK(scaled.data<double>()[1] == Approx(8 * (slope + 3) / 4));
  CHECK(along.item() == Approx(8 * radius / 4));
  sphere_margin_backward(cpu, {.multiplier = 2, .lambda = 3, .reference = true}, targets, labels, dy, scaled, along);
  const double length = std::hypot(slope, radius);
  CHECK(scaled.data<double>()[1] == Approx(8 * (slope / length + 3) / 4));
  CHECK(along.item() == Approx(8 * radius / length / 4));
  CHECK_THROWS_WITH(sphere_margin_forward(cpu, {.multiplier = 5}, x, labels, y, targets),
                    "[sphere_product] expected a multiplier of 1, 2, 3 or 4 but got 5.");
}

TEST_CASE("sphere_product: an input of zeros gives finite numbers", "[sphere_product]") {
  Cpu cpu(1);
  const Tensor x = Tensor::zeros({1, 3}, DType::f32), labels = Tensor::of<std::int64_t>({1}, {0}), y = Tensor::zeros({1, 2}, DType::f32);
  const Tensor targets({1, 2}, DType::f32), dy = Tensor::of<float>({1, 2}, {1, 1}), scaled({1, 2}, DType::f32), along({1, 1}, DType::f32);
  sphere_margin_forward(cpu, {}, x, labels, y, targets);
  sphere_margin_backward(cpu, {}, targets, labels, dy, scaled, along);
  for (const Tensor& tensor : {y, targets, scaled, along}) {
    for (const float value : tensor.data<float>()) CHECK(std::isfinite(value));
  }
}
