#include <amnet/kernels/tanh.h>

#include <cmath>
#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("tanh: values and slopes", "[tanh]") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<double>({4}, {-30, -0.5, 0, 2}), y({4}, DType::f64);
  tanh_forward(cpu, x, y);
  CHECK(values_of<double>(y) == std::vector<double>{-1, std::tanh(-0.5), 0, std::tanh(2.0)});
  const Tensor dx = Tensor::of<double>({4}, {1, 1, 1, 1});
  tanh_backward(cpu, Tensor::of<double>({4}, {-1, -0.5, 0, 0.5}), Tensor::of<double>({4}, {4, 4, 4, 4}), {dx, Write::add});
  CHECK(values_of<double>(dx) == std::vector<double>{1, 4, 5, 4});
}
