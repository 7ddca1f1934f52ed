#include <amnet/kernels/lse_margin.h>

#include <cmath>
#include <limits>
#include <vector>

#include "catch.h"
#include "kernels/mean_shift.h"
#include "values.h"

using namespace amnet;

namespace {

double mode_of(const std::vector<double>& values, double from, int steps) {
  double mean = 0;
  for (const double value : values) mean += value / static_cast<double>(values.size());
  int calls = 0;
  const double mode = mean_shift(mean, from, steps, [&](double mu) {
    REQUIRE(++calls <= steps + 2);  // it ends
    NearValues near{0, 0};
    for (const double value : values) {
      if (!(std::abs(value - mu) < 0.1)) continue;
      near.sum += value;
      ++near.count;
    }
    return near;
  });
  return mode;
}

struct Outcome {
  std::vector<double> y, statistics;
  double margin, applied, scale;
};
Outcome run(const Tensor& x, const Tensor& labels, const Tensor& norms, double scale, double margin, const LseMarginOptions& options = {}) {
  Cpu cpu(2);
  const Tensor s = Tensor::of<double>({1}, {scale}), m = Tensor::of<double>({1}, {margin}), applied({1}, DType::f64);
  const Tensor y(x.shape(), DType::f64), statistics({5}, DType::f64);
  lse_margin_forward(cpu, options, x, labels, norms, s, m, applied, y, statistics);
  return {values_of<double>(y), values_of<double>(statistics), m.item(), applied.item(), s.item()};
}

const Tensor cosines = Tensor::of<double>({2, 3}, {0.7, 0.2, 0.1, -0.3, 0.75, 0.2}), own = Tensor::of<std::int64_t>({2}, {0, 1});
double lse(double s, double a, double b) { return std::log(std::exp(s * a) + std::exp(s * b)) / s; }

}  // namespace

TEST_CASE("lse_margin: the mean shift finds the mode and always ends", "[lse_margin]") {
  CHECK(mode_of({0.4, 0.45, 0.5, 3}, 0.45, 20) == Approx(0.45));
  CHECK(mode_of({0.4, 0.45, 0.5}, 9, 1) == Approx(0.45));  // starts again from the mean
  CHECK(mode_of({-1, 1}, 9, 1) == 0);                      // no value is near the mean of all
  CHECK(mode_of({-1, 1}, 0, 20) == 0);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(mode_of({nan, 1}, 0, 20)));
  CHECK(moved_margin(0.25, nan, [](double) { return NearValues{0, 0}; }) == 0.25);
}

TEST_CASE("lse_margin: the margin is the target less the soft maximum of the others", "[lse_margin]") {
  const double first = 0.7 - lse(10, 0.2, 0.1), second = 0.75 - lse(10, -0.3, 0.2), mean = (first + second) / 2;
  const Outcome start = run(cosines, own, {}, 10, 0);
  CHECK(start.margin == Approx(mean));
  CHECK(start.y[0] == Approx(10 * (0.7 - mean)));
  CHECK(start.y[1] == Approx(2));
  CHECK(start.y[4] == Approx(10 * (0.75 - mean)));
  CHECK(start.statistics[0] == 10);
  CHECK(start.statistics[1] == Approx((0.7 + 0.75) / 2));
  CHECK(start.statistics[2] == Approx((lse(10, 0.2, 0.1) + lse(10, -0.3, 0.2)) / 2));
  CHECK(start.statistics[3] == Approx(0.2));
  CHECK(start.statistics[4] == Approx(mean));

  const Outcome later = run(cosines, own, {}, 10, 0.45);
  CHECK(later.margin == Approx(0.9 * 0.45 + 0.1 * mean));
  const Outcome negative = run(cosines, own, {}, 10, -20);
  CHECK(negative.margin == Approx(-18 + 0.1 * mean));
  CHECK(negative.applied == 0);
  CHECK(negative.y[0] == Approx(7));
  const Outcome none = run(cosines, own, {}, 10, 0.3, {.applies = false});
  CHECK(none.margin == 0.3);
  CHECK(none.y[0] == Approx(7));
  CHECK(run(cosines, own, {}, 50, 0.3, {.max_scale = 20}).scale == 20);
  CHECK(run(cosines, own, {}, 1, 0.3, {.min_scale = 5}).scale == 5);

  const Outcome scaled = run(cosines, own, Tensor::of<double>({2, 1}, {10, 20}), 7, 0.45);
  CHECK(scaled.statistics[0] == 15);
  CHECK(scaled.y[3] == Approx(-6));
  CHECK(scaled.margin == Approx(0.405 + 0.1 * (first + 0.75 - lse(20, -0.3, 0.2)) / 2));
}

TEST_CASE("lse_margin: gradients of the scale and of the norms know the margin", "[lse_margin]") {
  Cpu cpu(1);
  const Tensor scale = Tensor::of<double>({1}, {10}), applied = Tensor::of<double>({1}, {0.4}),
               dy = Tensor::of<double>({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor dx({2, 3}, DType::f64), dscale({1}, DType::f64), dnorms({2, 1}, DType::f64);
  lse_margin_backward(cpu, cosines, own, {}, scale, applied, dy, {dx, Write::assign}, {dscale, Write::assign}, {});
  CHECK(values_of<double>(dx) == std::vector<double>{10, 20, 30, 40, 50, 60});
  const double first = 0.3 + 0.4 + 0.3, second = -1.2 + 5 * 0.35 + 1.2;
  CHECK(dscale.item() == Approx(first + second));
  lse_margin_backward(cpu, cosines, own, Tensor::of<double>({2, 1}, {2, 3}), scale, applied, dy, {dx, Write::assign}, {},
                      {dnorms, Write::assign});
  CHECK(values_of<double>(dx) == std::vector<double>{2, 4, 6, 12, 15, 18});
  CHECK(dnorms.data<double>()[0] == Approx(first));
  CHECK(dnorms.data<double>()[1] == Approx(second));
}
