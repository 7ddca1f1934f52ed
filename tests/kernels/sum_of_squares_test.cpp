#include <amnet/kernels/sum_of_squares.h>

#include "catch.h"

using namespace amnet;

TEST_CASE("sum of squares: every element once, in the place of what was there", "[sum_of_squares]") {
  for (const std::int64_t count : {0, 1, 31, 1000, 133237}) {
    const Tensor x({count}, DType::f32);
    double expected = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      x.data<float>()[static_cast<std::size_t>(i)] = static_cast<float>(i % 7 - 3);
      expected += static_cast<double>((i % 7 - 3) * (i % 7 - 3));
    }
    for (const int threads : {1, 2, 4}) {
      Cpu cpu(threads);
      const Tensor sum = Tensor::of<double>({1}, {0.5});
      sum_of_squares(cpu, x, sum);
      CHECK(sum.item() == expected);  // whole numbers: exact in any order
    }
  }
}

TEST_CASE("sum of squares: squares are taken in double", "[sum_of_squares]") {
  Cpu cpu(1);
  const Tensor sum = Tensor::zeros({1}, DType::f64);
  sum_of_squares(cpu, Tensor::of<float>({2}, {1e30F, 1e-30F}), sum);
  CHECK(sum.item() == Approx(1e60).epsilon(1e-6));
}
