#include <amnet/kernels/reduce.h>

#include <cmath>
#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("reduce: sums, magnitudes, squares and means of rows", "[reduce]") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<double>({2, 1, 3}, {1, -2, 4, 0, -5, 3}), y({2}, DType::f64), dy = Tensor::of<double>({2}, {1, 10});
  const auto check = [&](Reduction reduction, double coefficient, const std::vector<double>& sums, const std::vector<double>& slopes) {
    INFO(name_of(reduction));
    reduce_forward(cpu, reduction, coefficient, x, y);
    CHECK(values_of<double>(y) == sums);
    const Tensor dx(x.shape(), DType::f64);
    dx.fill(1);
    reduce_backward(cpu, reduction, coefficient, reads_values(reduction) ? x : Tensor(), dy, {dx, Write::add});
    std::vector<double> wanted;
    for (const double slope : slopes) wanted.push_back(1 + slope);
    CHECK(values_of<double>(dx) == wanted);
  };
  check(Reduction::sum, 1, {3, -2}, {1, 1, 1, 10, 10, 10});
  check(Reduction::sum, -2, {-6, 4}, {-2, -2, -2, -20, -20, -20});
  check(Reduction::mean, 6, {6, -4}, {2, 2, 2, 20, 20, 20});
  check(Reduction::absolute_sum, 1, {7, 8}, {1, -1, 1, 0, -10, 10});
  check(Reduction::sum_of_squares, 0.5, {10.5, 17}, {1, -2, 4, 0, -50, 30});
}

TEST_CASE("reduce: a whole tensor, on any number of threads, and what cancels", "[reduce]") {
  const Tensor x({300000}, DType::f32);
  for (std::size_t i = 0; i < x.data<float>().size(); ++i) x.data<float>()[i] = i % 2 == 0 ? 1e6F : -1e6F;
  x.data<float>()[7] += 0.5F;
  const Tensor y({1}, DType::f32);
  for (const int threads : {1, 2, 4}) {
    Cpu cpu(threads);
    reduce_forward(cpu, Reduction::sum, 1, x, y);
    CHECK(y.item() == 0.5);
    reduce_backward(cpu, Reduction::absolute_sum, 1, x, y, {x.clone(), Write::assign});
  }
  Cpu cpu(1);
  CHECK_THROWS_WITH(reduce_forward(cpu, Reduction::sum, 1, x, Tensor({7}, DType::f32)),
                    "[reduce] expected one f32 number for each row of (300000) but got f32 (7).");
}
