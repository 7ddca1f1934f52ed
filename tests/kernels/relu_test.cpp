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
