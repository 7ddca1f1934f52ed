#include <amnet/kernels/prelu.h>

#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("prelu: the slope acts at and below 0 and its gradient sums x dy there", "[prelu]") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<double>({3, 2}, {-2, 4, 0, -1, 6, -3});
  const Tensor slope = Tensor::of<double>({2}, {0.5, 0.1});
  const Tensor dy = Tensor::of<double>({3, 2}, {1, 2, 3, 4, 5, 6});
  const Tensor y({3, 2}, DType::f64), dx({3, 2}, DType::f64), dslope({2}, DType::f64), shared({1}, DType::f64);
  prelu_forward(cpu, x, slope, y);
  CHECK(values_of<double>(y) == std::vector<double>{-1, 4, 0, -0.1, 6, -3 * 0.1});
  prelu_backward(cpu, x, slope, dy, {dx, Write::assign}, {dslope, Write::assign});
  CHECK(values_of<double>(dx) == std::vector<double>{0.5, 2, 1.5, 0.4, 5, 6 * 0.1});
  CHECK(values_of<double>(dslope) == std::vector<double>{-2, -4 - 18});
  prelu_backward(cpu, x, Tensor::of<double>({1}, {0.5}), dy, {}, {shared, Write::assign});
  CHECK(values_of<double>(shared) == std::vector<double>{-24});
}
