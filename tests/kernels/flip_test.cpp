#include <amnet/kernels/flip.h>

#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("flip: columns in reverse, channels as they were", "[flip]") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({1, 2, 3, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  const Tensor y(x.shape(), DType::f32);
  flip_forward(cpu, x, y);
  CHECK(values_of<float>(y) == std::vector<float>{5, 6, 3, 4, 1, 2, 11, 12, 9, 10, 7, 8});
}

TEST_CASE("flip: lines in reverse, or both, or none", "[flip]") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<float>({2, 2, 3, 1}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  const Tensor y(x.shape(), DType::f32);
  flip_forward(cpu, x, y, {.width = false, .height = true});
  CHECK(values_of<float>(y) == std::vector<float>{4, 5, 6, 1, 2, 3, 10, 11, 12, 7, 8, 9});
  flip_forward(cpu, x, y, {.width = true, .height = true});
  CHECK(values_of<float>(y) == std::vector<float>{6, 5, 4, 3, 2, 1, 12, 11, 10, 9, 8, 7});
  flip_backward(cpu, x, {y, Write::add}, {.width = false, .height = false});
  CHECK(values_of<float>(y) == std::vector<float>{7, 7, 7, 7, 7, 7, 19, 19, 19, 19, 19, 19});
}
