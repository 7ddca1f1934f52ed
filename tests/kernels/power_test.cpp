#include <amnet/kernels/power.h>

#include <cmath>
#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

namespace {

struct Values {
  std::vector<double> y, dx;
};

Values of(const PowerFunction& function, std::initializer_list<double> at) {
  Cpu cpu(1);
  const Tensor x = Tensor::of<double>({static_cast<std::int64_t>(at.size())}, at), y(x.shape(), DType::f64), dx(x.shape(), DType::f64);
  const Tensor dy(x.shape(), DType::f64);
  dy.fill(2);
  power_forward(cpu, function, x, y);
  power_backward(cpu, function, function.is_curved() ? x : Tensor(), dy, {dx, Write::assign});
  return {values_of<double>(y), values_of<double>(dx)};
}

}  // namespace

TEST_CASE("power: linear, squares, roots and constants", "[power]") {
  const Values line = of({.scale = 3, .shift = -1}, {-1, 0, 2});
  CHECK(line.y == std::vector<double>{-4, -1, 5});
  CHECK(line.dx == std::vector<double>{6, 6, 6});
  const Values square = of({.power = 2, .scale = 0.5, .shift = 1}, {-4, 0, 2});
  CHECK(square.y == std::vector<double>{1, 1, 4});
  CHECK(square.dx == std::vector<double>{-2, 2, 4});
  const Values root = of({.power = 0.5, .scale = 4}, {1, 4});
  CHECK(root.y == std::vector<double>{2, 4});
  CHECK(root.dx == std::vector<double>{2, 1});
  const Values cube = of({.power = 3, .scale = -1, .shift = 2}, {2, 3, 0});
  CHECK(cube.y == std::vector<double>{0, -1, 8});
  CHECK(cube.dx == std::vector<double>{0, -6, -24});  // also where the base is 0
}

TEST_CASE("power: a power or a scale of 0 is a constant, also where the base is 0", "[power]") {
  const Values one = of({.power = 0, .scale = 5, .shift = 0}, {0, 3});
  CHECK(one.y == std::vector<double>{1, 1});
  CHECK(one.dx == std::vector<double>{0, 0});
  const Values eight = of({.power = 3, .scale = 0, .shift = 2}, {0, 3});
  CHECK(eight.y == std::vector<double>{8, 8});
  CHECK(eight.dx == std::vector<double>{0, 0});
}
