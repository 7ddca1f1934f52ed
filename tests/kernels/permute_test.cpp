#include <amnet/kernels/permute.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

namespace {

template <class T>
Tensor counted(const Shape& shape) {
  Tensor tensor(shape, dtype_of<T>());
  for (std::size_t i = 0; i < tensor.data<T>().size(); ++i) tensor.data<T>()[i] = static_cast<T>(i % 251);
  return tensor;
}

Shape permuted(const Shape& shape, const std::vector<std::int64_t>& order) {
  Shape result = shape;
  for (int i = 0; i < shape.rank(); ++i) result = result.with(i, shape[static_cast<int>(order[static_cast<std::size_t>(i)])]);
  return result;
}

/// The place of an index in a shape.
std::size_t place(const Shape& shape, const std::array<std::int64_t, 4>& index) {
  std::int64_t at = 0;
  for (int i = 0; i < shape.rank(); ++i) at = at * shape[i] + index[static_cast<std::size_t>(i)];
  return static_cast<std::size_t>(at);
}

template <class T>
void check_against_loop(const Shape& shape) {
  Cpu cpu(2);
  std::vector<std::int64_t> order(static_cast<std::size_t>(shape.rank()));
  std::iota(order.begin(), order.end(), 0);
  do {
    const Tensor x = counted<T>(shape), y(permuted(shape, order), x.dtype());
    permute_forward(cpu, x, order, y);
    std::vector<T> wanted(x.data<T>().size());
    std::array<std::int64_t, 4> ones = {1, 1, 1, 1}, i{};
    for (int axis = 0; axis < shape.rank(); ++axis) ones[static_cast<std::size_t>(axis)] = shape[axis];
    for (i[0] = 0; i[0] < ones[0]; ++i[0])
      for (i[1] = 0; i[1] < ones[1]; ++i[1])
        for (i[2] = 0; i[2] < ones[2]; ++i[2])
          for (i[3] = 0; i[3] < ones[3]; ++i[3]) {
            std::array<std::int64_t, 4> target{};
            for (std::size_t axis = 0; axis < order.size(); ++axis) target[axis] = i[static_cast<std::size_t>(order[axis])];
            wanted[place(y.shape(), target)] = x.data<T>()[place(shape, i)];
          }
    CHECK(values_of<T>(y) == wanted);
    if constexpr (std::is_floating_point_v<T>) {
      const Tensor back(shape, x.dtype());
      permute_backward(cpu, y, order, {back, Write::assign});
      CHECK(values_of<T>(back) == values_of<T>(x));
      permute_backward(cpu, y, order, {back, Write::add});
      CHECK(values_of<T>(back)[x.data<T>().size() - 1] == 2 * values_of<T>(x).back());
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

}  // namespace

TEST_CASE("permute: every order equals a plain loop, and the way back", "[permute]") {
  check_against_loop<float>({2, 3, 5, 7});
  check_against_loop<double>({4, 1, 6});
  check_against_loop<std::int64_t>({3, 8});
  check_against_loop<std::uint8_t>({2, 3, 4, 5});
  check_against_loop<float>({9});
  check_against_loop<float>({3, 64, 33, 20});  // several pieces of work
}

TEST_CASE("permute: refuses what is no order and other shapes", "[permute]") {
  Cpu cpu(1);
  const Tensor x({2, 3}, DType::f32), y({3, 2}, DType::f32);
  const std::array<std::int64_t, 2> twice{1, 1}, swapped{1, 0}, same{0, 1};
  CHECK_THROWS_WITH(permute_forward(cpu, x, twice, y), "[permute] expected each axis of (2,3) once but got the order (1,1).");
  CHECK_THROWS_WITH(permute_forward(cpu, x, same, y), "[permute] expected the axes (0,1) of f32 (2,3) but got f32 (3,2).");
  CHECK_THROWS_WITH(permute_forward(cpu, x, std::array<std::int64_t, 1>{0}, y),
                    "[permute] expected each axis of (2,3) once but got the order (0).");
  CHECK_THROWS_AS(permute_forward(cpu, x, swapped, Tensor({3, 2}, DType::f64)), UsageError);
}
