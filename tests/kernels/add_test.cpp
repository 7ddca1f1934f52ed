#include <amnet/kernels/add.h>

#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("add: sums any number of tensors", "[add]") {
  Cpu cpu(1);
  const std::vector<Tensor> xs{Tensor::of<double>({2}, {1, 2}), Tensor::of<double>({2}, {10, 20}), Tensor::of<double>({2}, {100, 200}),
                               Tensor::of<double>({2}, {1000, 2000})};
  const Tensor y({2}, DType::f64);
  add_forward(cpu, xs, y);
  CHECK(values_of<double>(y) == std::vector<double>{1111, 2222});
}
