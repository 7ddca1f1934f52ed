#include <amnet/kernels/broadcast.h>

#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

namespace {

// Integers: sums are exact in any order.
Tensor integers(const Shape& shape, std::size_t factor) {
  Tensor tensor(shape, DType::f32);
  for (std::size_t i = 0; i < tensor.data<float>().size(); ++i) tensor.data<float>()[i] = static_cast<float>(i * factor % 13) - 6;
  return tensor;
}

void check_against_loop(const Shape& shape, BroadcastAxes axes, bool multiplies, bool adds) {
  INFO(shape.str() << ", axes [" << axes.first << ", " << axes.first + axes.count << ")" << (multiplies ? ", a factor" : "")
                   << (adds ? ", a term" : ""));
  Cpu cpu(2);
  const Shape covered = axes.shape(shape);
  const Tensor x = integers(shape, 5), dy = integers(shape, 7), y(shape, DType::f32), dx = integers(shape, 3);
  const Tensor s = multiplies ? integers(covered, 3) : Tensor(), b = adds ? integers(covered, 11) : Tensor();
  const Tensor ds(covered, DType::f32), db = integers(covered, 5);
  const std::size_t count = x.data<float>().size(), values = static_cast<std::size_t>(covered.count()),
                    inner = axes.count == 0 ? count : static_cast<std::size_t>(shape.count_from(axes.first + axes.count));
  std::vector<float> wanted(count), wanted_dx = values_of<float>(dx), wanted_ds(values), wanted_db = values_of<float>(db);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t v = i / inner % values;
    const float factor = multiplies ? s.data<float>()[v] : 1;
    wanted[i] = x.data<float>()[i] * factor + (adds ? b.data<float>()[v] : 0);
    wanted_dx[i] += dy.data<float>()[i] * factor;
    wanted_ds[v] += dy.data<float>()[i] * x.data<float>()[i];
    wanted_db[v] += dy.data<float>()[i];
  }
  broadcast_forward(cpu, axes, x, s, b, y);
  CHECK(values_of<float>(y) == wanted);
  broadcast_backward(cpu, axes, x, s, dy, {.dx = {dx, Write::add}, .ds = {ds, Write::assign}, .db = {db, Write::add}});
  CHECK(values_of<float>(dx) == wanted_dx);
  CHECK(values_of<float>(ds) == wanted_ds);
  CHECK(values_of<float>(db) == wanted_db);
  broadcast_backward(cpu, axes, {}, s, dy, {.dx = {dx, Write::assign}});
  CHECK(dx.data<float>()[count - 1] == dy.data<float>()[count - 1] * (multiplies ? s.data<float>()[values - 1] : 1));
}

}  // namespace

TEST_CASE("broadcast: factors and terms over any axes equal a plain loop", "[broadcast]") {
  for (const Shape& shape : {Shape{3, 4, 2, 5}, Shape{40, 30, 20, 2}, Shape{6, 7}, Shape{9}}) {
    for (int first = 0; first < shape.rank(); ++first) {
      for (int count = 0; first + count <= shape.rank(); ++count) {
        check_against_loop(shape, {.first = first, .count = count}, true, true);
        check_against_loop(shape, {.first = first, .count = count}, true, false);
        check_against_loop(shape, {.first = first, .count = count}, false, true);
        check_against_loop(shape, {.first = first, .count = count}, false, false);
      }
    }
  }
}

TEST_CASE("broadcast: refuses other axes and sizes", "[broadcast]") {
  Cpu cpu(1);
  const Tensor x({2, 3}, DType::f32), y({2, 3}, DType::f32);
  CHECK_THROWS_WITH(broadcast_forward(cpu, {.first = 1, .count = 2}, x, {}, {}, y), "[broadcast] expected axes of (2,3) but got [1, 3).");
  CHECK_THROWS_WITH(broadcast_forward(cpu, {.first = 1, .count = 1}, x, Tensor({2}, DType::f32), {}, y),
                    "[broadcast] expected a factor or term f32 (3) for (2,3) but got f32 (2).");
}
