#include <amnet/core/error.h>
#include <amnet/train/meters.h>

#include "catch.h"

using namespace amnet;

TEST_CASE("meters: means over what was added, and nothing added is zero", "[meters]") {
  Meters meters({"loss", "accuracy"});
  CHECK(meters["loss"] == 0);
  meters.add(std::vector{3.0, 0.5});
  meters.add(std::vector{5.0, 1.0});
  CHECK(meters["loss"] == 4);
  CHECK(meters["accuracy"] == 0.75);
  CHECK(meters.count() == 2);
  CHECK(meters.sums() == std::vector{8.0, 1.5});
  CHECK(meters.has("accuracy"));
  CHECK(!meters.has("recall"));
  CHECK_THROWS_AS(meters["recall"], UsageError);
  CHECK_THROWS_AS(meters.add(std::vector{1.0}), UsageError);
  CHECK_THROWS_AS(Meters({"loss"}, {}, 1), UsageError);
}

TEST_CASE("meters: a closed interval stays to be read until the next one begins", "[meters]") {
  Meters meters({"loss"}, {10.0}, 4);
  CHECK(meters["loss"] == 2.5);
  meters.close();
  CHECK(meters["loss"] == 2.5);
  meters.add(std::vector{7.0});
  CHECK(meters["loss"] == 7);
  CHECK(meters.count() == 1);
}
