#include <amnet/core/shape.h>

#include <vector>

#include "catch.h"

using namespace amnet;
using Catch::Matchers::Contains;

TEST_CASE("shape: counts, parts and text", "[shape]") {
  const Shape images{32, 112, 96, 3};
  CHECK(images.rank() == 4);
  CHECK(images[2] == 96);
  CHECK(images.count() == 1'032'192);
  CHECK(images.count_from(1) == 112 * 96 * 3);
  CHECK(images.count_from(4) == 1);
  CHECK(images.str() == "(32,112,96,3)");
  CHECK(fmt::format("{} {}", images, Shape{7}) == "(32,112,96,3) (7)");
  CHECK(images.with(0, 64) == Shape{64, 112, 96, 3});
  CHECK(images == Shape{32, 112, 96, 3});  // with() changes a copy

  CHECK(Shape().count() == 1);
  CHECK(Shape().str() == "()");
  CHECK(Shape{5, 0, 3}.count() == 0);
}

TEST_CASE("shape: shapes of other ranks differ", "[shape]") {
  CHECK(Shape{3, 4} != Shape{4, 3});
  CHECK(Shape{3} != Shape{3, 1});
  CHECK(Shape{0} != Shape());
  CHECK(Shape{2, 3, 0}.with(2, 4) == Shape{2, 3, 4});
}

TEST_CASE("shape: what cannot be a shape is refused", "[shape]") {
  CHECK_THROWS_WITH((Shape{1, 2, 3, 4, 5}), "[shape] expected at most 4 dimensions but got 5.");
  CHECK_THROWS_WITH((Shape{4, -1}), "[shape] expected extents >= 0 but dimension 1 is -1.");
  CHECK_THROWS_AS((Shape{2, 2}.with(1, -3)), UsageError);
}

TEST_CASE("shape: a number of elements or bytes that overflows is refused", "[shape]") {
  constexpr std::int64_t big = std::int64_t{1} << 31;
  CHECK_THROWS_WITH((Shape{big, big}), Contains("overflows at dimension 1 of extent 2147483648"));
  CHECK_THROWS_WITH((Shape{big, big >> 4, 4}), Contains("overflows at dimension 2 of extent 4"));
  CHECK_THROWS_WITH((Shape{std::int64_t{1} << 60}), Contains("overflows at dimension 0"));
  CHECK_THROWS_AS((Shape{2, 2}.with(0, std::int64_t{1} << 62)), UsageError);
  // The largest accepted shape still has a valid size in bytes, in f64.
  const Shape largest{std::int64_t{1} << 58};
  CHECK(largest.count() * 8 == std::int64_t{1} << 61);
  // A zero makes the count valid, in any position.
  CHECK(Shape{0, big, big, big}.count() == 0);
}
