#include <amnet/kernels/accuracy.h>

#include <limits>

#include "catch.h"

using namespace amnet;

TEST_CASE("accuracy: the share of right samples, ties to the larger index", "[accuracy]") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  Cpu cpu(1);
  // The rows give 2; 1, by a tie; 1, by a tie; 0; and nothing.
  const Tensor logits = Tensor::of<float>({5, 3}, {1, 2, 3, 5, 5, 1, 5, 5, 1, 9, 1, 1, nan, nan, nan});
  const Tensor accuracy({1}, DType::f32);
  const auto of = [&](std::initializer_list<std::int64_t> labels) {
    accuracy_forward(cpu, logits, Tensor::of<std::int64_t>({5}, labels), accuracy);
    return accuracy.item();
  };
  CHECK(of({2, 1, 0, 0, 0}) == Approx(3 / 5.0));
  CHECK(of({2, 1, 1, 0, 2}) == Approx(4 / 5.0));
  CHECK(of({0, 0, 0, 1, 1}) == 0);
  CHECK_THROWS_AS(of({0, 0, 0, 3, 1}), DataError);
}
