#include <amnet/kernels/sample_scale.h>

#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("sample_scale: one scale for each sample, or for each position", "[sample_scale]") {
  Cpu cpu(2);
  const Tensor x = Tensor::of<double>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8}), y(x.shape(), DType::f64);
  sample_scale_forward(cpu, x, Tensor::of<double>({2}, {10, -1}), y);
  CHECK(values_of<double>(y) == std::vector<double>{10, 20, 30, 40, -5, -6, -7, -8});
  const Tensor positions = Tensor::of<double>({2, 2, 1}, {1, 10, 100, 0}), dscales({2, 2, 1}, DType::f64), dx(x.shape(), DType::f64);
  sample_scale_forward(cpu, x, positions, y);
  CHECK(values_of<double>(y) == std::vector<double>{1, 2, 30, 40, 500, 600, 0, 0});
  const Tensor dy = Tensor::of<double>({2, 2, 2}, {1, 1, 1, 0, 0, 1, 2, 0});
  sample_scale_backward(cpu, x, positions, dy, {dx, Write::assign}, {dscales, Write::assign});
  CHECK(values_of<double>(dx) == std::vector<double>{1, 1, 10, 0, 0, 100, 0, 0});
  CHECK(values_of<double>(dscales) == std::vector<double>{3, 3, 6, 14});
  sample_scale_backward(cpu, {}, positions, dy, {dx, Write::add}, {});
  CHECK(values_of<double>(dx) == std::vector<double>{2, 2, 20, 0, 0, 200, 0, 0});
  CHECK_THROWS_WITH(sample_scale_forward(cpu, x, Tensor({3}, DType::f64), y),
                    "[sample_scale] expected one scale for each of equal parts of (2,2,2) but got 3 scales.");
}

TEST_CASE("sample_scale: the running scale takes the first mean, moves by a hundredth, and has limits", "[sample_scale]") {
  Cpu cpu(1);
  const Tensor scales = Tensor::of<double>({4}, {10, -20, 30, 20}), running = Tensor::of<double>({1}, {-1});
  global_scale_update(cpu, {}, scales, running);
  CHECK(running.item() == Approx(20));
  running.fill(120);
  global_scale_update(cpu, {}, scales, running);
  CHECK(running.item() == Approx(119));
  global_scale_update(cpu, {.high = 25}, scales, running);
  CHECK(running.item() == 25);
  global_scale_update(cpu, {.moves = false, .low = 30, .high = 40}, scales, running);
  CHECK(running.item() == 30);
}
