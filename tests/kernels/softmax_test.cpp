#include <amnet/kernels/softmax.h>

#include <cmath>
#include <limits>
#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("softmax: equals a plain loop for rows of any length", "[softmax]") {
  Cpu cpu(2);
  for (const std::int64_t columns : {1, 2, 7, 16, 33, 1000, 40000}) {
    INFO(columns << " columns");
    const Tensor x({3, columns}, DType::f32), y(x.shape(), DType::f32);
    for (std::size_t i = 0; i < x.data<float>().size(); ++i) x.data<float>()[i] = static_cast<float>(i * 37 % 101) / 10 - 3;
    softmax_forward(cpu, x, y);
    for (std::size_t row = 0; row < 3; ++row) {
      const auto begin = row * static_cast<std::size_t>(columns), end = begin + static_cast<std::size_t>(columns);
      double sum = 0, total = 0;
      for (std::size_t i = begin; i < end; ++i) sum += std::exp(double{x.data<float>()[i]});
      for (std::size_t i = begin; i < end; ++i) {
        const double wanted = std::exp(double{x.data<float>()[i]}) / sum;
        if (std::abs(y.data<float>()[i] - wanted) > 1e-6 * wanted) FAIL(i << ": " << y.data<float>()[i] << ", expected " << wanted);
        total += y.data<float>()[i];
      }
      CHECK(total == Approx(1).epsilon(1e-5));
    }
  }
}

TEST_CASE("softmax: never overflows, and a NaN stays visible", "[softmax]") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({2, 3}, {1e30F, 1e30F, -1e30F, 0, std::numeric_limits<float>::quiet_NaN(), 0}), y({2, 3}, DType::f32);
  softmax_forward(cpu, x, y);
  CHECK(values_of<float>(y.slice(0, 1)) == std::vector<float>{0.5, 0.5, 0});
  for (const float value : y.slice(1, 2).data<float>()) CHECK(std::isnan(value));
}

TEST_CASE("softmax: slopes of two classes", "[softmax]") {
  Cpu cpu(1);
  const Tensor y = Tensor::of<double>({1, 2}, {0.25, 0.75}), dx = Tensor::of<double>({1, 2}, {1, 1});
  softmax_backward(cpu, y, Tensor::of<double>({1, 2}, {16, 0}), {dx, Write::add});
  CHECK(values_of<double>(dx) == std::vector<double>{4, -2});
  CHECK_THROWS_WITH(softmax_forward(cpu, y, Tensor({2, 1}, DType::f64)),
                    "[softmax] expected two tensors (..., C) alike but got f64 (1,2) and f64 (2,1).");
}
