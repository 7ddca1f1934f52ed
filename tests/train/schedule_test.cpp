#include <amnet/train/schedule.h>

#include "catch.h"

using namespace amnet;

TEST_CASE("schedule: the reference code's rate drops at 16,000, 24,000 and 28,000, not one step earlier or later", "[schedule]") {
  const Schedule schedule{.base = 0.1, .steps = {16000, 24000, 28000}};
  const auto rate = [&](std::int64_t step, double expected) {
    INFO("step " << step);
    CHECK(schedule.at(step) == Approx(expected).epsilon(1e-12));
  };
  rate(0, 0.1);
  rate(15999, 0.1);
  rate(16000, 0.01);
  rate(23999, 0.01);
  rate(24000, 0.001);
  rate(27999, 0.001);
  rate(28000, 0.0001);
  rate(29999, 0.0001);
}

TEST_CASE("schedule: the warm-up climbs in equal steps and reaches the rate at its last", "[schedule]") {
  const Schedule schedule{.base = 0.05, .steps = {150}, .warm_up = 100};
  CHECK(schedule.at(0) == Approx(0.0005));  // never 0: a first step that does nothing
  CHECK(schedule.at(49) == Approx(0.025));
  CHECK(schedule.at(99) == 0.05);
  CHECK(schedule.at(100) == 0.05);
  CHECK(schedule.at(149) == 0.05);
  CHECK(schedule.at(150) == Approx(0.005));
  for (std::int64_t step = 1; step < 100; ++step) CHECK(schedule.at(step) - schedule.at(step - 1) == Approx(0.0005).epsilon(1e-9));
}

TEST_CASE("schedule: no steps is a constant rate, and gamma is the factor", "[schedule]") {
  const Schedule constant{.base = 0.3, .steps = {}};
  CHECK(constant.at(0) == 0.3);
  CHECK(constant.at(1'000'000'000) == 0.3);
  const Schedule halved{.base = 8, .steps = {1, 1, 3}, .gamma = 0.5};  // two drops at one step
  CHECK(halved.at(0) == 8);
  CHECK(halved.at(1) == 2);
  CHECK(halved.at(3) == 1);
  // A drop inside the warm-up counts too.
  const Schedule both{.base = 1, .steps = {5}, .gamma = 0.1, .warm_up = 10};
  CHECK(both.at(4) == Approx(0.5));
  CHECK(both.at(5) == Approx(0.06));
}
