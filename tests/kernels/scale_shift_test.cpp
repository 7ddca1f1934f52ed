#include <amnet/kernels/scale_shift.h>

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
