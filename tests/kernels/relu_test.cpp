#include <amnet/kernels/relu.h>

#include <cmath>
#include <limits>
#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("relu: negative values become 0 and a NaN stays", "[relu]") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({4}, {-2, 0, 3, nan});
  const Tensor y({4}, DType::f32), dx = Tensor::of<float>({4}, {10, 10, 10, 10});
  relu_forward(cpu, x, y);
  CHECK(values_of<float>(y)[0] == 0);
  CHECK(values_of<float>(y)[2] == 3);
  CHECK(std::isnan(values_of<float>(y)[3]));
  relu_backward(cpu, y, Tensor::of<float>({4}, {1, 2, 3, 4}), {dx, Write::add});
  CHECK(values_of<float>(dx) == std::vector<float>{10, 10, 13, 10});
}

TEST_CASE("relu: with a slope, values below 0 keep a part", "[relu]") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({5}, {-2, 0, 3, nan, -0.5}), dy = Tensor::of<float>({5}, {1, 2, 3, 4, 5});
  const Tensor y({5}, DType::f32), dx = Tensor::of<float>({5}, {10, 10, 10, 10, 10});
  relu_forward(cpu, x, y, 0.25);
  CHECK(std::isnan(values_of<float>(y)[3]));
  y.data<float>()[3] = 1;
  CHECK(values_of<float>(y) == std::vector<float>{-0.5, 0, 3, 1, -0.125});
  relu_backward(cpu, y, dy, {dx, Write::add}, 0.25);
  CHECK(values_of<float>(dx) == std::vector<float>{10.25, 10.5, 13, 14, 11.25});
  // Below 0 the slope makes both sides positive: the input says which it was.
  relu_forward(cpu, x, y, -1);
  CHECK(values_of<float>(y)[0] == 2);
  relu_backward(cpu, x, dy, {dx, Write::assign}, -1);
  CHECK(values_of<float>(dx) == std::vector<float>{-1, -2, 3, -4, -5});
}
