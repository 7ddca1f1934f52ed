#include <amnet/kernels/hard_margin.h>

#include <numbers>
#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("hard_margin: a target goes towards the mean of the others", "[hard_margin]") {
  Cpu cpu(2);
  const Tensor x = Tensor::of<double>({2, 3}, {5, 1, 3, 0, 8, 4}), labels = Tensor::of<std::int64_t>({2}, {0, 2});
  const Tensor y(x.shape(), DType::f64), mean({1}, DType::f64), dx(x.shape(), DType::f64);
  hard_margin_forward(cpu, 0.25, x, labels, y, mean);
  CHECK(values_of<double>(y) == std::vector<double>{5 - 3 * 0.75, 1, 3, 0, 8, 4});
  CHECK(mean.item() == Approx(-3 * 0.75 / 2 * 180 / std::numbers::pi));
  const Tensor dy = Tensor::of<double>({2, 3}, {8, 1, 1, 2, 2, 4});
  hard_margin_backward(cpu, 0.25, labels, dy, {}, {dx, Write::assign});
  CHECK(values_of<double>(dx) == std::vector<double>{2, 4, 4, 3.5, 3.5, 1});
  hard_margin_backward(cpu, 1, labels, dy, {}, {dx, Write::assign});
  CHECK(values_of<double>(dx) == values_of<double>(dy));
  CHECK_THROWS_WITH(hard_margin_forward(cpu, 0.5, Tensor({2, 1}, DType::f64), labels, Tensor({2, 1}, DType::f64), {}),
                    "[hard_margin] expected logits (N,classes) of 2 class(es) or more but got (2,1).");
}
