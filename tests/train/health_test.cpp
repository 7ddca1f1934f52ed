#include <amnet/train/health.h>

#include <cmath>
#include <limits>

#include "catch.h"

using namespace amnet;
using Catch::Matchers::Contains;

namespace {

/// The signs of a run that learns.
Signs sound(std::int64_t step) {
  return {.step = step, .samples = 640, .accuracy = 0.5, .feature_norm = 20, .gradient_norm = 3, .others_cosine = 0.1};
}

/// All sentences of steps 10, 20, …, 10 n, whose signs `change` changes.
template <class Change>
std::vector<std::string> warnings_of(const HealthOptions& options, std::int64_t steps, Change&& change) {
  const HealthWatch watch(options);
  Health health;
  std::vector<std::string> all;
  for (std::int64_t step = 10; step <= steps; step += 10) {
    Signs signs = sound(step);
    change(signs);
    for (std::string& warning : watch.look(signs, health)) all.push_back(std::move(warning));
  }
  return all;
}

const HealthOptions usual{.classes = 160, .epoch = 80, .warm_up = 40};

}  // namespace

TEST_CASE("health: a run that learns is told nothing", "[health]") {
  CHECK(warnings_of(usual, 1000, [](Signs& signs) { signs.feature_norm = 20 + static_cast<double>(signs.step); }).empty());
}

TEST_CASE("health: a feature norm that grows a hundredfold is told once", "[health]") {
  // 20 after the warm-up
  const auto growing = [](Signs& signs) { signs.feature_norm = 0.5 * static_cast<double>(signs.step); };
  CHECK(warnings_of(usual, 4000, growing).empty());
  const std::vector<std::string> told = warnings_of(usual, 9000, growing);
  REQUIRE(told.size() == 1);
  CHECK_THAT(told[0], Contains("feature norm has grown from 20 to 2e+03") && Contains(".learning_rate"));
}

TEST_CASE("health: features may find their length in the start, within a thousandfold", "[health]") {
  const auto leaping_from = [](double first) { return [first](Signs& signs) { signs.feature_norm = signs.step < 30 ? first : 20; }; };
  CHECK(warnings_of(usual, 200, leaping_from(0.03)).empty());
  const std::vector<std::string> told = warnings_of(usual, 200, leaping_from(0.01));
  REQUIRE(told.size() == 1);
  CHECK_THAT(told[0], Contains("feature norm has grown from 0.01 to 20"));
}

TEST_CASE("health: a gradient norm that grows a hundredfold is told once", "[health]") {
  const std::vector<std::string> told = warnings_of(usual, 500, [](Signs& signs) { signs.gradient_norm = signs.step < 300 ? 3 : 301; });
  REQUIRE(told.size() == 1);
  CHECK_THAT(told[0], Contains("gradient has grown from 3 to 301"));
}

TEST_CASE("health: features that collapse are told once, and not at the start", "[health]") {
  const auto collapsed = [](Signs& signs) { signs.others_cosine = 0.95; };
  CHECK(warnings_of(usual, 90, collapsed).empty());
  const std::vector<std::string> told = warnings_of(usual, 500, collapsed);
  REQUIRE(told.size() == 1);
  CHECK_THAT(told[0], Contains("mean cosine of 0.950"));
  CHECK(warnings_of(usual, 500, [](Signs& signs) { signs.others_cosine = std::numeric_limits<double>::quiet_NaN(); }).empty());
}

TEST_CASE("health: an epoch at chance is told once", "[health]") {
  const auto guessing = [](Signs& signs) { signs.accuracy = 1.0 / 160; };
  CHECK(warnings_of(usual, 130, guessing).empty());
  const std::vector<std::string> told = warnings_of(usual, 500, guessing);
  REQUIRE(told.size() == 1);
  CHECK_THAT(told[0], Contains("stayed at chance (1 in 160) for an epoch"));
  // Twice the rate of guessing over 6,400 samples is eight standard errors above it.
  CHECK(warnings_of(usual, 500, [](Signs& signs) { signs.accuracy = 2.0 / 160; }).empty());
}

TEST_CASE("health: what is remembered decides, so that a resumed run says the same", "[health]") {
  const HealthWatch watch(usual);
  Health health;
  CHECK(watch.look(sound(40), health).empty());
  Signs grown = sound(50);
  grown.feature_norm = 3000;
  Health resumed = health;
  CHECK(HealthWatch(usual).look(grown, resumed).size() == 1);
  CHECK(watch.look(grown, health).size() == 1);
  CHECK(resumed == health);
  CHECK(watch.look(grown, health).empty());
}

TEST_CASE("health: the mean cosine between classes, by hand", "[health]") {
  const auto cosine = [](std::vector<float> features, std::vector<std::int64_t> labels) {
    const auto count = static_cast<std::int64_t>(labels.size());
    return mean_cosine_between_classes(Tensor::of<float>({count, 2}, features), Tensor::of<std::int64_t>({count}, labels));
  };
  CHECK(cosine({3, 0, 0, 2}, {0, 1}) == Approx(0).margin(1e-15));
  CHECK(cosine({3, 0, 5, 0, 0, 7, 2, 0}, {4, 4, 4, 9}) == Approx(2.0 / 3));
  // the zero row counts with cosine 0
  CHECK(cosine({1, 0, -2, 0, 0, 0}, {0, 1, 2}) == Approx(-1.0 / 3));
  CHECK(std::isnan(cosine({1, 0, 2, 1}, {3, 3})));
}
