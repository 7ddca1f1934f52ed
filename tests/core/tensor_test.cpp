#include <amnet/core/tensor.h>

#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "catch.h"
#include "kernels/values.h"

using namespace amnet;
using Catch::Matchers::Contains;

TEST_CASE("tensor: a copy shares the elements, a clone has its own", "[tensor]") {
  const Tensor first = Tensor::of<float>({2, 2}, {1, 2, 3, 4});
  const Tensor same = first;
  const Tensor other = first.clone();
  first.data<float>()[3] = 9;
  CHECK(same.data<float>()[3] == 9);
  CHECK(other.data<float>()[3] == 4);
  other.copy_from(first);
  CHECK(values_of<float>(other) == std::vector<float>{1, 2, 3, 9});
}

TEST_CASE("tensor: slices and other shapes show the same elements", "[tensor]") {
  const Tensor x = Tensor::of<double>({3, 2, 2}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  const Tensor middle = x.slice(1, 3);
  CHECK(middle.shape() == Shape{2, 2, 2});
  CHECK(values_of<double>(middle) == std::vector<double>{4, 5, 6, 7, 8, 9, 10, 11});
  CHECK(values_of<double>(middle.slice(1, 2)) == std::vector<double>{8, 9, 10, 11});
  const Tensor rows = middle.reshaped({4, 2});
  rows.data<double>()[1] = -5;
  CHECK(x.data<double>()[5] == -5);
  CHECK(x.slice(2, 2).count() == 0);
  CHECK(x.reshaped({12}).slice(11, 12).item() == 11);
}

TEST_CASE("tensor: a slice keeps the elements alive", "[tensor]") {
  std::optional<Tensor> whole = Tensor::of<std::uint8_t>({4}, {1, 2, 3, 4});
  const Tensor tail = whole->slice(2, 4);
  whole.reset();
  CHECK(values_of<std::uint8_t>(tail) == std::vector<std::uint8_t>{3, 4});
}

TEST_CASE("tensor: what the elements do not allow is refused", "[tensor]") {
  const Tensor x({3, 2}, DType::f32);
  CHECK_THROWS_WITH(x.data<double>(), "[tensor] asked for f64 elements of a tensor (3,2) of f32.");
  CHECK_THROWS_AS(x.data<const std::int64_t>(), UsageError);
  CHECK_NOTHROW(x.data<const float>());
  CHECK_THROWS_WITH(x.reshaped({4, 2}), Contains("6 elements against 8"));
  CHECK_THROWS_WITH(x.slice(1, 4), "[tensor] cannot take samples [1, 4) of (3,2).");
  CHECK_THROWS_AS(x.slice(-1, 1), UsageError);
  CHECK_THROWS_AS(x.slice(2, 1), UsageError);
  CHECK_THROWS_AS(Tensor(Shape(), DType::f32).slice(0, 1), UsageError);
  CHECK_THROWS_AS(x.copy_from(Tensor({2, 3}, DType::f32)), UsageError);
  CHECK_THROWS_AS(x.copy_from(Tensor({3, 2}, DType::f64)), UsageError);
  CHECK_THROWS_AS(Tensor::of<float>({3}, {1, 2}), UsageError);
  CHECK_THROWS_WITH(x.item(), Contains("one element but got (3,2)"));
  const Tensor device({2}, DType::f32, allocate(Memory::host, 8), Memory::cuda);
  CHECK_THROWS_WITH(device.data<float>(), Contains("on another device"));
}

TEST_CASE("tensor: values change their type only where both are floating point", "[tensor]") {
  const Tensor doubles = Tensor::of<double>({3}, {0.1, -2, 1e300});
  const Tensor floats = doubles.cast(DType::f32);
  CHECK(floats.data<float>()[0] == 0.1F);
  CHECK(floats.data<float>()[1] == -2);
  CHECK(std::isinf(floats.data<float>()[2]));
  CHECK(floats.cast(DType::f64).data<double>()[0] == double{0.1F});
  CHECK_THROWS_AS(doubles.cast(DType::i64), UsageError);
  CHECK_THROWS_AS(Tensor({2}, DType::u8).cast(DType::f32), UsageError);
}

TEST_CASE("tensor: fill, clear and item", "[tensor]") {
  const Tensor x = Tensor::zeros({2, 3}, DType::f64);
  CHECK(values_of<double>(x) == std::vector<double>(6));
  x.slice(1, 2).fill(0.25);
  CHECK(values_of<double>(x) == std::vector<double>{0, 0, 0, 0.25, 0.25, 0.25});
  x.clear();
  CHECK(values_of<double>(x) == std::vector<double>(6));
  CHECK(Tensor::of<float>({1, 1}, {3.5F}).item() == 3.5);
  CHECK_THROWS_AS(Tensor({2}, DType::i64).fill(1), UsageError);
  CHECK_THROWS_AS(Tensor::of<std::int64_t>({1}, {3}).item(), UsageError);
}

TEST_CASE("tensor: no elements is not the same as no tensor", "[tensor]") {
  CHECK_FALSE(Tensor().defined());
  const Tensor empty({0, 5}, DType::f32);
  CHECK(empty.defined());
  CHECK(empty.data<float>().empty());
  CHECK(empty.clone().shape() == Shape{0, 5});
  CHECK_NOTHROW(empty.fill(1));
}

TEST_CASE("tensor: a dtype knows its size, its name and its one door", "[tensor]") {
  CHECK(Tensor({3}, DType::i64).size_bytes() == 24);
  CHECK(Tensor({3}, DType::u8).size_bytes() == 3);
  for (const DType dtype : {DType::f32, DType::f64}) {
    DType seen = DType::u8;
    with_float(dtype, "test", [&]<class T>() { seen = dtype_of<T>(); });
    CHECK(seen == dtype);
  }
  CHECK_THROWS_WITH(with_float(DType::u8, "test", []<class T>() {}), "[test] expected a floating-point tensor (f32 or f64) but got u8.");
}
