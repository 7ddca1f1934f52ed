#include <amnet/kernels/angular_margin.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

namespace {

constexpr double degree = std::numbers::pi / 180;

/// The target of a single sample, and its derivative.
struct Turned {
  double y, slope;
};
Turned turned(double cosine, double margin, AngularMarginOptions options = {}) {
  Cpu cpu(1);
  const Tensor x = Tensor::of<double>({1, 2}, {0.25, cosine}), labels = Tensor::of<std::int64_t>({1}, {1}), y({1, 2}, DType::f64);
  const Tensor dy = Tensor::of<double>({1, 2}, {3, 1}), dx({1, 2}, DType::f64);
  angular_margin_forward(cpu, options, x, labels, margin, y);
  angular_margin_backward(cpu, options, x, labels, margin, dy, {dx, Write::assign}, {});
  CHECK(y.data<double>()[0] == 0.25);
  CHECK(dx.data<double>()[0] == 3);
  return {y.data<double>()[1], dx.data<double>()[1]};
}

}  // namespace

TEST_CASE("angular_margin: an angle is added in degrees, or multiplies", "[angular_margin]") {
  const double angle = 0.7;
  CHECK(turned(std::cos(angle), 20).y == Approx(std::cos(angle + 20 * degree)));
  CHECK(turned(std::cos(angle), 20).slope == Approx(std::sin(angle + 20 * degree) / std::sin(angle)));
  const AngularMarginOptions soft{.kind = AngularMarginKind::soft};
  CHECK(turned(std::cos(angle), 1.5, soft).y == Approx(std::cos(1.5 * angle)));
  CHECK(turned(std::cos(angle), 1.5, soft).slope == Approx(1.5 * std::sin(1.5 * angle) / std::sin(angle)));
  CHECK(turned(1, 1.5, soft).slope == Approx(2.25));  // the limit
  CHECK(turned(0.3, 0).y == 0.3);
  CHECK(turned(0.3, 0).slope == 1);
}

TEST_CASE("angular_margin: cosines beyond 1 are finite in exact arithmetic alone", "[angular_margin]") {
  CHECK(turned(1.1, 20).y == Approx(std::cos(20 * degree)));
  CHECK(turned(1.1, 20).slope == Approx(std::cos(20 * degree)));
  CHECK(std::isnan(turned(1.1, 20, {.arithmetic = Arithmetic::reference_cpu}).y));
}

TEST_CASE("angular_margin: the reference code's GPU arithmetic has its limits", "[angular_margin]") {
  AngularMarginOptions gpu{.arithmetic = Arithmetic::reference_gpu};
  const double edge = 1 - 1e-4;
  CHECK(turned(1, 20, gpu).y == Approx(edge * std::cos(20 * degree) - std::sqrt(1 - edge * edge) * std::sin(20 * degree)));
  CHECK(turned(1, 20, gpu).slope == 2);
  CHECK(turned(-0.99, 20, gpu).slope == 0);
  gpu.kind = AngularMarginKind::soft;
  // not cos(pi - 1e-4)
  CHECK(turned(-0.9, 1.5, gpu).y == Approx(std::cos(1.5 * (std::numbers::pi - 1e-4))));
}

TEST_CASE("angular_margin: the mean angles of targets and others", "[angular_margin]") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<double>({2, 3}, {1, 0, 0.5, -1, 0, 2});
  const std::array<double, 2> means = mean_angles(cpu, x, Tensor::of<std::int64_t>({2}, {2, 0}));
  CHECK(means[0] == Approx((60.0 + 180) / 2));
  CHECK(means[1] == Approx((0.0 + 90 + 90 + 0) / 4));
}
