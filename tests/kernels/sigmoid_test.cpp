#include <amnet/kernels/sigmoid.h>

#include <cmath>
#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("sigmoid: values, also far from 0, and slopes", "[sigmoid]") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<double>({5}, {-1000, -std::log(3.0), 0, std::log(3.0), 1000}), y({5}, DType::f64);
  sigmoid_forward(cpu, x, y);
  const std::vector<double> wanted = {0, 0.25, 0.5, 0.75, 1};
  for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(values_of<double>(y)[i] == Approx(wanted[i]).margin(1e-15));
  const Tensor dx = Tensor::of<double>({3}, {1, 1, 1});
  sigmoid_backward(cpu, Tensor::of<double>({3}, {0.25, 0.5, 1}), Tensor::of<double>({3}, {16, 16, 16}), {dx, Write::add});
  CHECK(values_of<double>(dx) == std::vector<double>{4, 5, 1});
}
