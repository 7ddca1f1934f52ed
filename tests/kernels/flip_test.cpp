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
