#include <amnet/kernels/stochastic_pool.h>

#include <cmath>
#include <limits>
#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("stochastic_pool: a pixel is drawn as often as its value says", "[stochastic_pool]") {
  Cpu cpu(2);
  const PoolWindow window{.kernel = {1, 4}, .stride = 1};
  // One window of the values 0, 1, 2, 5 for each of 8000 samples.
  constexpr std::int64_t samples = 8000;
  const Tensor x({samples, 1, 4, 1}, DType::f64), y({samples, 1, 1, 1}, DType::f64), indices(y.shape(), DType::i64);
  for (std::size_t i = 0; i < x.data<double>().size(); ++i) x.data<double>()[i] = std::vector<double>{0, 1, 2, 5}[i % 4];
  stochastic_pool_forward(cpu, window, {.seed = 1, .stream = 2, .step = 3}, x, y, indices);
  std::vector<int> drawn(4);
  for (std::size_t i = 0; i < static_cast<std::size_t>(samples); ++i) {
    const auto at = static_cast<std::size_t>(indices.data<std::int64_t>()[i]);
    ++drawn[at];
    REQUIRE(y.data<double>()[i] == x.data<double>()[i * 4 + at]);
  }
  CHECK(drawn[0] == 0);
  // within four standard deviations
  CHECK(std::abs(drawn[1] - 1000) < 4 * std::sqrt(8000 * 1 / 8.0 * 7 / 8));
  CHECK(std::abs(drawn[2] - 2000) < 4 * std::sqrt(8000 * 2 / 8.0 * 6 / 8));
  CHECK(std::abs(drawn[3] - 5000) < 4 * std::sqrt(8000 * 5 / 8.0 * 3 / 8));
}

TEST_CASE("stochastic_pool: draws depend on seed, stream and step, not on threads", "[stochastic_pool]") {
  const PoolWindow window{.kernel = 3, .stride = 2};
  const Tensor x({3, 17, 15, 8}, DType::f32);
  for (std::size_t i = 0; i < x.data<float>().size(); ++i) x.data<float>()[i] = static_cast<float>(i % 11);
  const Shape pooled = window.output_shape(x.shape());
  const auto drawn = [&](const PoolDraw& draw, int threads) {
    Cpu cpu(threads);
    const Tensor y(pooled, DType::f32), indices(pooled, DType::i64);
    stochastic_pool_forward(cpu, window, draw, x, y, indices);
    return values_of<std::int64_t>(indices);
  };
  const std::vector<std::int64_t> first = drawn({1, 2, 3}, 1);
  CHECK(drawn({1, 2, 3}, 4) == first);
  CHECK(drawn({2, 2, 3}, 1) != first);
  CHECK(drawn({1, 3, 3}, 1) != first);
  CHECK(drawn({1, 2, 4}, 1) != first);
}

TEST_CASE("stochastic_pool: windows of zeros take the first pixel, a NaN shows", "[stochastic_pool]") {
  Cpu cpu(1);
  const PoolWindow window{.kernel = 2, .stride = 2};
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor x = Tensor::of<float>({1, 2, 4, 1}, {0, 0, 1, nan, 0, 0, 2, 3}), y({1, 1, 2, 1}, DType::f32), indices(y.shape(), DType::i64);
  stochastic_pool_forward(cpu, window, {}, x, y, indices);
  CHECK(y.data<float>()[0] == 0);
  CHECK(indices.data<std::int64_t>()[0] == 0);
  CHECK(std::isnan(y.data<float>()[1]));
  expected_pool_forward(cpu, window, x, y);
  CHECK(y.data<float>()[0] == 0);
  CHECK(std::isnan(y.data<float>()[1]));
  CHECK_THROWS_AS(pool_forward(cpu, {.kind = PoolKind::stochastic}, x, y, indices), UsageError);
}

TEST_CASE("stochastic_pool: the mean weighted with the values themselves, and the gradients", "[stochastic_pool]") {
  Cpu cpu(1);
  const PoolWindow window{.kernel = {1, 2}, .stride = 1};
  const Tensor x = Tensor::of<double>({1, 1, 3, 1}, {1, 3, 2}), y({1, 1, 2, 1}, DType::f64), dy = Tensor::of<double>({1, 1, 2, 1}, {4, 10});
  expected_pool_forward(cpu, window, x, y);
  CHECK(values_of<double>(y) == std::vector<double>{10 / 4.0, 13 / 5.0});
  const Tensor dx = Tensor::of<double>({1, 1, 3, 1}, {100, 100, 100}), indices = Tensor::of<std::int64_t>({1, 1, 2, 1}, {1, 1});
  expected_pool_backward(cpu, window, x, dy, {dx, Write::add});
  CHECK(dx.data<double>()[0] == Approx(100 + 4 * (2 - 2.5) / 4));
  CHECK(dx.data<double>()[1] == Approx(100 + 4 * (6 - 2.5) / 4 + 10 * (6 - 2.6) / 5));
  CHECK(dx.data<double>()[2] == Approx(100 + 10 * (4 - 2.6) / 5));
  stochastic_pool_backward(cpu, window, dy, indices, {dx, Write::assign});
  CHECK(values_of<double>(dx) == std::vector<double>{0, 14, 0});
}
