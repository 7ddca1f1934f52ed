#include <amnet/kernels/scale_shift.h>

#include <array>
#include <span>
#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("scale_shift: one scale per channel, or one in all", "[scale_shift]") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<double>({2, 2}, {1, 2, 3, 4});
  const Tensor y({2, 2}, DType::f64), dscale({2}, DType::f64), all({1}, DType::f64);
  scale_shift_forward(cpu, x, Tensor::of<double>({2}, {10, 100}), Tensor::of<double>({2}, {1, -1}), y);
  CHECK(values_of<double>(y) == std::vector<double>{11, 199, 31, 399});
  scale_shift_forward(cpu, x, Tensor::of<double>({1}, {10}), {}, y);
  CHECK(values_of<double>(y) == std::vector<double>{10, 20, 30, 40});
  const Tensor dy = Tensor::of<double>({2, 2}, {1, 1, 2, 3});
  scale_shift_backward(cpu, x, Tensor::of<double>({2}, {10, 100}), dy, {}, {dscale, Write::assign}, {});
  CHECK(values_of<double>(dscale) == std::vector<double>{7, 14});
  scale_shift_backward(cpu, x, Tensor::of<double>({1}, {10}), dy, {}, {}, {all, Write::assign});
  CHECK(values_of<double>(all) == std::vector<double>{7});
  CHECK_THROWS_AS(scale_shift_forward(cpu, x, Tensor({3}, DType::f64), {}, y), UsageError);
}

TEST_CASE("scale_shift: the gradients of many channels equal a plain loop, added too, and over x", "[scale_shift]") {
  Cpu cpu(2);
  for (const auto& [rows, channels] : {std::array<std::int64_t, 2>{1500, 24}, {7, 600}, {5, 2}}) {
    INFO(rows << " rows of " << channels << " channels");
    const auto columns = static_cast<std::size_t>(channels);
    // Integers: sums are exact in any order.
    const auto integers = [](std::int64_t count, std::size_t factor) {
      std::vector<float> values(static_cast<std::size_t>(count));
      for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * factor % 13) - 6;
      return values;
    };
    const std::vector<float> x = integers(rows * channels, 5), dy = integers(rows * channels, 7), scale = integers(channels, 3);
    std::vector<float> dx(x.size()), dscale(columns), dshift(columns);
    for (std::size_t i = 0; i < x.size(); ++i) {
      dx[i] = scale[i % columns] * dy[i];
      dscale[i % columns] += x[i] * dy[i];
      dshift[i % columns] += dy[i];
    }
    const auto tensor = [](const Shape& shape, const std::vector<float>& values) {
      return Tensor::of(shape, std::span<const float>(values));
    };
    const Tensor over = tensor({rows, channels}, x), slopes = tensor({rows, channels}, dy), scales = tensor({channels}, scale);
    const Tensor scale_sums({channels}, DType::f32), shift_sums({channels}, DType::f32);
    scale_shift_backward(cpu, over, scales, slopes, {over, Write::assign}, {scale_sums, Write::assign}, {shift_sums, Write::assign});
    CHECK(values_of<float>(over) == dx);
    CHECK(values_of<float>(scale_sums) == dscale);
    CHECK(values_of<float>(shift_sums) == dshift);
    scale_shift_backward(cpu, {}, scales, slopes, {over, Write::add}, {}, {shift_sums, Write::add});
    for (float& value : dx) value *= 2;
    for (float& value : dshift) value *= 2;
    CHECK(values_of<float>(over) == dx);
    CHECK(values_of<float>(shift_sums) == dshift);
  }
}
