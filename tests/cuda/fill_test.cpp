#include <amnet/kernels/fill.h>

#include <algorithm>

#include "catch.h"
#include "parity.h"

using namespace amnet;

TEMPLATE_TEST_CASE("fill: every element and no other", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("fill: every element and no other", [](Parity& parity) {
    for (const std::int64_t count : {0, 1, 7, 64, 133237}) {
      for (const std::int64_t begin : {0, 1, 16}) {
        const Both whole = parity.output(Shape{begin + count + 1}, true);
        fill(parity.cuda, whole.device.slice(begin, begin + count), -1.25);
        const Tensor got = Parity::fetched(whole.device);
        const auto values = got.data<const float>();
        CHECK(std::ranges::count(values, -1.25F) == count);
        const auto inside = values.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
        CHECK(std::ranges::count(inside, -1.25F) == count);
      }
    }
  });
}

TEST_CASE("fill: refuses other types by name", "[gpu]") {
  for_each_machine<F32>("fill: refuses other types by name", [](Parity& parity) {
    CHECK_THROWS_WITH(fill(parity.cuda, Tensor({2}, DType::i64, Memory::cuda), 1),
                      "[fill] expected a tensor of f32 or bf16 on a GPU but got i64.");
  });
}
