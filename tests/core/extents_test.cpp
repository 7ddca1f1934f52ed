#include <amnet/core/extents.h>

#include "catch.h"

using namespace amnet;

TEST_CASE("extents: one number stands for both directions, two are height and width", "[extents]") {
  const Extents square = 3, tall = {3, 1};
  CHECK(square == Extents{3, 3});
  CHECK(square == 3);
  CHECK(tall.height == 3);
  CHECK(tall.width == 1);
  CHECK(tall != 3);
  CHECK(tall != 1);
  CHECK(Extents() == 1);
  CHECK(fmt::format("{} {}", square, tall) == "3x3 3x1");
}
