#include <amnet/core/error.h>
#include <amnet/core/random.h>
#include <amnet/faces/bootstrap.h>

#include <cmath>
#include <limits>
#include <vector>

#include "catch.h"

using namespace amnet;

namespace {

/// `people` people with two images each: for each one pair of its own, and one with the next
/// person.
Pairs ring(std::int32_t people) {
  Pairs pairs;
  pairs.folds = 2;
  for (std::int32_t p = 0; p < people; ++p) {
    for (int image = 0; image < 2; ++image) pairs.people.push_back(p);
    pairs.pairs.push_back({2 * p, 2 * p + 1, true, 0});
    pairs.pairs.push_back({2 * p, 2 * ((p + 1) % people), false, 1});
  }
  pairs.images.resize(pairs.people.size());
  pairs.names.resize(static_cast<std::size_t>(people));
  return pairs;
}

}  // namespace

TEST_CASE("bootstrap: a model against itself, and against its opposite", "[bootstrap]") {
  const Pairs pairs = ring(20);
  const std::vector<double> right(40, 1.0), wrong(40, 0.0);
  const Bootstrap equal = paired_bootstrap(pairs, right, right, {.resamples = 200});
  CHECK((equal.difference == 0 && equal.low == 0 && equal.high == 0 && equal.share_above_zero == 0));
  const Bootstrap better = paired_bootstrap(pairs, right, wrong, {.resamples = 200});
  CHECK((better.difference == 100 && better.low == 100 && better.high == 100 && better.share_above_zero == 1));
  CHECK(better.resamples == 200);
}

TEST_CASE("bootstrap: weights are the times a person was drawn, for two people their product", "[bootstrap]") {
  // Three people a, b, c; only the pair (a, b) differs between the models. Over the 27 equally
  // likely draws the difference is 100 c(a) c(b) / (c(a) + c(b) + c(c) + c(a) c(b) + c(b) c(c) +
  // c(c) c(a)).
  const Pairs pairs = ring(3);
  std::vector<double> model(6, 0.0);
  const std::vector<double> other = model;
  model[1] = 1;
  double expected = 0;
  for (int draw = 0; draw < 27; ++draw) {
    double c[3] = {};
    for (int i = 0, rest = draw; i < 3; ++i, rest /= 3) ++c[rest % 3];
    expected += 100 * c[0] * c[1] / (3 + c[0] * c[1] + c[1] * c[2] + c[2] * c[0]) / 27;
  }
  const Bootstrap result = paired_bootstrap(pairs, model, other, {.resamples = 20000});
  CHECK(result.difference == Approx(100.0 / 6));
  // the sampling error of the mean is about 0.1
  CHECK(result.mean == Approx(expected).margin(0.5));
  CHECK(result.low == 0);
  CHECK(result.high == Approx(40));  // c = (2,1,0) or (1,2,0): 2 / (3 + 2)
  CHECK(result.share_above_zero == Approx(12.0 / 27).margin(0.02));
}

TEST_CASE("bootstrap: a function of its seed, and unsure where a few people decide", "[bootstrap]") {
  const Pairs pairs = ring(50);
  std::vector<double> a(100), b(100);
  const Random random(3);
  for (std::size_t i = 0; i < 100; ++i) {
    a[i] = random.uniform(2 * i) < 0.8;
    b[i] = random.uniform(2 * i + 1) < 0.8;
  }
  const Bootstrap first = paired_bootstrap(pairs, a, b, {.seed = 7, .resamples = 500});
  const Bootstrap again = paired_bootstrap(pairs, a, b, {.seed = 7, .resamples = 500});
  const Bootstrap other = paired_bootstrap(pairs, a, b, {.seed = 8, .resamples = 500});
  CHECK(first.low == again.low);
  CHECK(first.mean == again.mean);
  CHECK(first.mean != other.mean);
  CHECK(first.low < first.difference);
  CHECK(first.difference < first.high);
  const Bootstrap turned = paired_bootstrap(pairs, b, a, {.seed = 7, .resamples = 500});
  CHECK(turned.mean == Approx(-first.mean));
  CHECK(turned.low == Approx(-first.high));
}

TEST_CASE("bootstrap: a pair that was not judged takes no part", "[bootstrap]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Pairs pairs = ring(20);
  std::vector<double> right(40, 1.0), wrong(40, 0.0);
  right[3] = wrong[8] = nan;
  const Bootstrap better = paired_bootstrap(pairs, right, wrong, {.resamples = 200});
  CHECK((better.difference == 100 && better.low == 100 && better.mean == 100));
  CHECK_THROWS_AS(paired_bootstrap(pairs, right, std::vector<double>(40, nan)), DataError);
}

TEST_CASE("bootstrap: what does not fit is refused, and nothing drawn is said so", "[bootstrap]") {
  const Pairs pairs = ring(4);
  const std::vector<double> eight(8, 1.0), seven(7, 1.0);
  CHECK_THROWS_AS(paired_bootstrap(pairs, eight, seven), UsageError);
  CHECK_THROWS_AS(paired_bootstrap(Pairs{}, {}, {}), UsageError);
  CHECK_THROWS_AS(paired_bootstrap(pairs, eight, eight, {.resamples = 0}), UsageError);
  // One pair of two people out of many: some draws leave it without weight.
  Pairs sparse = ring(6);
  sparse.pairs = {sparse.pairs[1]};
  sparse.people.resize(4);
  const std::vector<double> one(1, 1.0), zero(1, 0.0);
  const Bootstrap result = paired_bootstrap(sparse, one, zero, {.resamples = 400});
  CHECK(result.resamples < 400);
  CHECK(result.resamples > 100);
  CHECK(result.low == 100);
}
