#include <amnet/kernels/fill.h>

#include <algorithm>

#include "catch.h"

using namespace amnet;

TEST_CASE("fill: every element and no other", "[fill]") {
  Cpu cpu(2);
  for (const DType dtype : {DType::f32, DType::f64}) {
    with_float(dtype, "fill_test", [&]<class T>() {
      for (const std::int64_t count : {0, 1, 7, 16384, 40001}) {
        const Tensor whole({count + 2}, dtype);
        whole.fill(-1);
        fill(cpu, whole.slice(1, count + 1), 0.3);
        const std::span<const T> values = whole.data<const T>();
        CHECK(std::ranges::count(values, static_cast<T>(0.3)) == count);
        CHECK(values.front() == -1);
        CHECK(values.back() == -1);
      }
    });
  }
  CHECK_THROWS_AS(fill(cpu, Tensor({2}, DType::i64), 1), UsageError);
}
