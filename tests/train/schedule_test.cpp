#include <amnet/core/error.h>
#include <amnet/train/schedule.h>

#include <cmath>

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

TEST_CASE("schedule: every policy by hand", "[schedule]") {
  const Schedule fixed{.policy = SchedulePolicy::fixed, .base = 0.3, .steps = {1}};
  CHECK(fixed.at(5) == 0.3);

  const Schedule step{.policy = SchedulePolicy::step, .base = 8, .steps = {1}, .gamma = 0.5, .step_size = 3};
  CHECK(step.at(2) == 8);
  CHECK(step.at(3) == 4);
  CHECK(step.at(8) == 2);

  const Schedule exp{.policy = SchedulePolicy::exp, .base = 8, .gamma = 0.5};
  CHECK(exp.at(0) == 8);
  CHECK(exp.at(3) == 1);

  const Schedule inv{.policy = SchedulePolicy::inv, .base = 8, .gamma = 0.75, .power = 0.5};
  CHECK(inv.at(0) == 8);
  CHECK(inv.at(4) == Approx(4));  // 8 / sqrt(1 + 3)

  const Schedule poly{.policy = SchedulePolicy::poly, .base = 8, .power = 2, .max_steps = 10};
  CHECK(poly.at(0) == 8);
  CHECK(poly.at(5) == 2);
  CHECK(poly.at(10) == 0);
  CHECK(poly.at(11) == 0);  // and never a NaN or a rate that rises again

  const Schedule sigmoid{.policy = SchedulePolicy::sigmoid, .base = 8, .gamma = -0.5, .step_size = 4};
  CHECK(sigmoid.at(4) == 4);
  CHECK(sigmoid.at(0) == Approx(8 / (1 + std::exp(-2.0))));
  CHECK(sigmoid.at(8) == Approx(8 / (1 + std::exp(2.0))));

  const Schedule cosine{.policy = SchedulePolicy::cosine, .base = 8, .max_steps = 12, .least = 2};
  CHECK(cosine.at(0) == 8);
  CHECK(cosine.at(4) == Approx(6.5));  // 2 + 6 (1 + 1/2) / 2
  CHECK(cosine.at(6) == Approx(5));    // half way
  CHECK(cosine.at(8) == Approx(3.5));  // 2 + 6 (1 - 1/2) / 2
  // the last step still falls
  CHECK(cosine.at(11) == Approx(2 + 3 * (1 - std::cos(std::acos(-1.0) / 12))));
  CHECK(cosine.at(12) == 2);
  CHECK(cosine.at(100) == 2);  // and does not rise again
}

TEST_CASE("schedule: cosine begins behind the warm-up, at its whole rate", "[schedule]") {
  const Schedule cosine{.policy = SchedulePolicy::cosine, .base = 8, .warm_up = 4, .max_steps = 12};
  CHECK(cosine.at(0) == 2);  // base / warm_up
  CHECK(cosine.at(1) == 4);
  CHECK(cosine.at(3) == 8);  // the warm-up's last
  CHECK(cosine.at(4) == 8);  // t = 0
  CHECK(cosine.at(8) == Approx(4));
  CHECK(cosine.at(11) == Approx(4 * (1 - std::cos(std::acos(-1.0) / 8))));
  CHECK(cosine.at(12) == Approx(0).margin(1e-15));
  // The warm-up goes to the policy's rate, whatever the least is.
  const Schedule high{.policy = SchedulePolicy::cosine, .base = 8, .warm_up = 4, .max_steps = 12, .least = 6};
  CHECK(high.at(0) == 2);
  CHECK(high.at(4) == 8);
  CHECK(high.at(8) == Approx(7));
  // A warm-up of all steps, or of more, ends at base and has no step to fall in.
  for (const std::int64_t warm_up : {12, 24}) {
    const Schedule rising{.policy = SchedulePolicy::cosine, .base = 24, .warm_up = warm_up, .max_steps = 12};
    CHECK(rising.at(0) == Approx(24.0 / static_cast<double>(warm_up)));
    CHECK(rising.at(11) == Approx(24.0 * 12 / static_cast<double>(warm_up)));
  }
}

TEST_CASE("schedule: a warm-up rises to what the policy says", "[schedule]") {
  const Schedule poly{.policy = SchedulePolicy::poly, .base = 8, .warm_up = 2, .max_steps = 4};
  CHECK(poly.at(0) == 4);
  CHECK(poly.at(1) == 6);
  CHECK(poly.at(2) == 4);
  CHECK(poly.at(3) == 2);  // the last step: base / max_steps
  CHECK(poly.at(4) == 0);
  const Schedule step{.policy = SchedulePolicy::step, .base = 8, .gamma = 0.5, .warm_up = 4, .step_size = 2};
  CHECK(step.at(1) == 4);  // 2/4 of 8
  CHECK(step.at(2) == 3);  // its clock has run since the first step: 3/4 of 4
  CHECK(step.at(4) == 2);
  const Schedule fixed{.policy = SchedulePolicy::fixed, .base = 8, .warm_up = 4};
  CHECK(fixed.at(0) == 2);
  CHECK(fixed.at(3) == 8);
  CHECK(fixed.at(4) == 8);
}

TEST_CASE("schedule: drops are counted as Caffe's current_step", "[schedule]") {
  const Schedule multistep{.steps = {2, 4}};
  CHECK(multistep.drops_at(1) == 0);
  CHECK(multistep.drops_at(2) == 1);
  CHECK(multistep.drops_at(9) == 2);
  const Schedule step{.policy = SchedulePolicy::step, .step_size = 4};
  CHECK(step.drops_at(3) == 0);
  CHECK(step.drops_at(9) == 2);
  const Schedule inv{.policy = SchedulePolicy::inv, .steps = {2}};
  CHECK(inv.drops_at(9) == 0);
}

TEST_CASE("schedule: a policy without what it needs is refused by name", "[schedule]") {
  const Schedule step{.policy = SchedulePolicy::step}, poly{.policy = SchedulePolicy::poly}, cosine{.policy = SchedulePolicy::cosine};
  CHECK_THROWS_WITH(step.at(0), Catch::Matchers::Contains(".step_size") && Catch::Matchers::Contains("step but got 0"));
  CHECK_THROWS_WITH(poly.at(0), Catch::Matchers::Contains(".max_steps") && Catch::Matchers::Contains("poly but got 0"));
  CHECK_THROWS_WITH(cosine.at(0), Catch::Matchers::Contains(".max_steps") && Catch::Matchers::Contains("cosine but got 0"));
}
