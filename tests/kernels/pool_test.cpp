#include <amnet/kernels/pool.h>

#include <limits>
#include <vector>

#include "catch.h"

namespace {

using namespace amnet;

/// The rules of the header, one element at a time.
void plain_pool(const PoolWindow& o, const Tensor& x, const Tensor& y) {
  const std::int64_t height = x.extent(1), width = x.extent(2), channels = x.extent(3);
  auto out = y.data<double>().begin();
  for (std::int64_t n = 0; n < y.extent(0); ++n) {
    for (std::int64_t oh = 0; oh < y.extent(1); ++oh) {
      for (std::int64_t ow = 0; ow < y.extent(2); ++ow) {
        for (std::int64_t c = 0; c < channels; ++c) {
          double sum = 0, largest = -std::numeric_limits<double>::infinity();
          int inside_padding = 0;
          for (std::int64_t h = oh * o.stride.height - o.pad.height; h < oh * o.stride.height - o.pad.height + o.kernel.height; ++h) {
            for (std::int64_t w = ow * o.stride.width - o.pad.width; w < ow * o.stride.width - o.pad.width + o.kernel.width; ++w) {
              if (h < height + o.pad.height && w < width + o.pad.width) ++inside_padding;
              if (h < 0 || h >= height || w < 0 || w >= width) continue;
              const double value = x.data<double>()[static_cast<std::size_t>(((n * height + h) * width + w) * channels + c)];
              sum += value;
              largest = std::max(largest, value);
            }
          }
          *out++ = o.kind == PoolKind::max ? largest : sum / inside_padding;
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("pool: the number of windows follows both rounding rules", "[pool]") {
  CHECK(pooled_extent(6, 2, 2, 0, true) == 3);
  CHECK(pooled_extent(7, 2, 2, 0, true) == 4);
  CHECK(pooled_extent(7, 2, 2, 0, false) == 3);
  CHECK(pooled_extent(7, 3, 2, 1, true) == 4);
  // rounding up gives 4, and the fourth starts at 6 < 6 + 1
  CHECK(pooled_extent(6, 3, 2, 1, true) == 4);
  CHECK(pooled_extent(5, 2, 2, 1, true) == 4 - 1);  // the fourth would start at 6 = 5 + 1
  CHECK(pooled_extent(3, 1, 3, 0, true) == 1);      // the second would start at 3, outside
  CHECK_THROWS_AS(pooled_extent(2, 3, 1, 0, false), UsageError);
  CHECK_THROWS_AS(pooled_extent(4, 2, 2, 2, true), UsageError);
  CHECK_THROWS_AS(pooled_extent(4, 2, 0, 0, true), UsageError);
}

TEST_CASE("pool: maxima and averages equal a plain loop", "[pool]") {
  Cpu cpu(2);
  int compared = 0;
  for (const PoolKind kind : {PoolKind::max, PoolKind::average}) {
    for (const std::int64_t kernel : {1, 2, 3}) {
      for (const std::int64_t stride : {1, 2, 3}) {
        for (const std::int64_t pad : {0, 1}) {
          for (const bool round_up : {true, false}) {
            if (pad >= kernel) continue;
            const PoolWindow window{kind, {kernel, 2}, {stride, 1}, {pad, 1}, round_up};
            const Shape shape{2, 7, 6, 5};
            Tensor x(shape, DType::f64);
            for (std::size_t i = 0; i < x.data<double>().size(); ++i) x.data<double>()[i] = static_cast<double>(i * 37 % 101) - 60;
            const Shape pooled{2, pooled_extent(7, kernel, stride, pad, round_up), pooled_extent(6, 2, 1, 1, round_up), 5};
            CHECK(window.output_shape(shape) == pooled);
            const Tensor y(pooled, DType::f64), expected(pooled, DType::f64), indices(pooled, DType::i64);
            pool_forward(cpu, window, x, y, indices);
            plain_pool(window, x, expected);
            for (std::size_t i = 0; i < y.data<double>().size(); ++i) REQUIRE(y.data<double>()[i] == Approx(expected.data<double>()[i]));
            ++compared;
          }
        }
      }
    }
  }
  CHECK(compared == 2 * 5 * 3 * 2);
}

TEST_CASE("pool: on a tie the first pixel wins, and a NaN is not lost", "[pool]") {
  Cpu cpu(1);
  const PoolWindow window{};
  const Tensor x = Tensor::of<double>({1, 2, 2, 2}, {3, 1, 3, std::numeric_limits<double>::quiet_NaN(), 3, 1, 2, 5});
  const Tensor y({1, 1, 1, 2}, DType::f64), indices({1, 1, 1, 2}, DType::i64), dx(x.shape(), DType::f64);
  pool_forward(cpu, window, x, y, indices);
  CHECK(y.data<double>()[0] == 3);
  CHECK(indices.data<std::int64_t>()[0] == 0);
  CHECK(y.data<double>()[1] != y.data<double>()[1]);
  pool_backward(cpu, window, Tensor::of<double>({1, 1, 1, 2}, {7, 0}), indices, {dx, Write::assign});
  const std::vector<double> expected{7, 0, 0, 0, 0, 0, 0, 0};
  CHECK(std::equal(expected.begin(), expected.end(), dx.data<double>().begin()));
}
