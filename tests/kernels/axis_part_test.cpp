#include <amnet/kernels/axis_part.h>

#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

namespace {

template <class T>
Tensor counted(const Shape& shape, int first) {
  Tensor tensor(shape, dtype_of<T>());
  for (std::size_t i = 0; i < tensor.data<T>().size(); ++i) tensor.data<T>()[i] = static_cast<T>(i + static_cast<std::size_t>(first));
  return tensor;
}

/// A part of three indices from 2 on, along each axis, taken out and put back.
template <class T>
void check_against_loop(const Shape& shape) {
  Cpu cpu(2);
  for (int axis = 0; axis < shape.rank(); ++axis) {
    INFO(shape.str() << ", axis " << axis);
    const Tensor whole = counted<T>(shape, 0), part(shape.with(axis, 3), whole.dtype());
    take_part(cpu, whole, axis, 2, {part, Write::assign});
    const auto inner = static_cast<std::size_t>(shape.count_from(axis + 1)), extent = static_cast<std::size_t>(shape[axis]);
    std::vector<T> wanted, changed = values_of<T>(whole), cleared = changed;
    for (std::size_t i = 0; i < changed.size(); ++i) {
      const std::size_t index = i / inner % extent;
      if (index < 2 || index >= 5) continue;
      wanted.push_back(changed[i]);
      changed[i] = static_cast<T>(wanted.size() + 99);
      cleared[i] = 0;
    }
    CHECK(values_of<T>(part) == wanted);
    put_part(cpu, counted<T>(part.shape(), 100), {whole, Write::assign}, axis, 2);
    CHECK(values_of<T>(whole) == changed);
    if constexpr (std::is_floating_point_v<T>) {
      take_part(cpu, whole, axis, 2, {part, Write::add});
      put_part(cpu, counted<T>(part.shape(), 100), {whole, Write::add}, axis, 2);
      for (std::size_t i = 0; i < wanted.size(); ++i) wanted[i] += static_cast<T>(i + 100);
      CHECK(values_of<T>(part) == wanted);
      for (std::size_t i = 0; i < changed.size(); ++i) changed[i] *= cleared[i] == 0 && i / inner % extent >= 2 ? 2 : 1;
      CHECK(values_of<T>(whole) == changed);
    }
    clear_part(cpu, whole, axis, 2, 3);
    CHECK(values_of<T>(whole) == cleared);
  }
}

}  // namespace

TEST_CASE("axis part: taken, put, added and cleared along every axis", "[axis_part]") {
  check_against_loop<float>({5, 6, 7, 8});
  check_against_loop<double>({6, 5});
  check_against_loop<std::int64_t>({7});
  check_against_loop<float>({6, 50, 40, 9});  // several pieces of work
}

TEST_CASE("axis part: refuses what does not lie within the axis", "[axis_part]") {
  Cpu cpu(1);
  const Tensor whole({2, 4}, DType::f32), part({2, 3}, DType::f32);
  CHECK_THROWS_WITH(take_part(cpu, whole, 1, 2, {part, Write::assign}), "[axis_part] expected indices below 4 but got [2, 5).");
  CHECK_THROWS_WITH(take_part(cpu, whole, 0, 0, {part, Write::assign}),
                    "[axis_part] expected a part along axis 0 of f32 (2,4) but got f32 (2,3).");
  CHECK_THROWS_AS(put_part(cpu, part, {Tensor({2, 4}, DType::f64), Write::assign}, 1, 0), UsageError);
  CHECK_THROWS_AS(clear_part(cpu, whole, 2, 0, 1), UsageError);
}
