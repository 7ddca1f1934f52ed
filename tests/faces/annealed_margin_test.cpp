#include "catch.h"

#include <amnet/faces/heads.h>
#include <amnet/net/plan.h>

using namespace amnet;
using Catch::Matchers::Contains;

TEST_CASE("heads: without feature normalisation the margin grows by anneal_gamma in a step, up to its full size", "[heads]") {
  const auto loss_at = [](std::optional<double> gamma, std::int64_t step) {
    Net net(DType::f64);
    const Value features = net.input("features", {1, 4}), labels = net.input("labels", {1}, DType::i64);
    const Head head = add_head(net, features, labels, {.classes = 3, .anneal_gamma = gamma, .feature_norm = false});
    net.initialise(1);
    Plan plan(net, {.batch = 2, .loss = head.loss});
    plan.value(features).copy_from(Tensor::of<double>({2, 4}, {1, 2, -1, 0.5, -2, 1, 1, 3}));
    plan.value(labels).copy_from(Tensor::of<std::int64_t>({2}, {0, 2}));
    Device device = Cpu(1);
    plan.forward(device, {.step = {.number = step}});
    return plan.value(head.loss).item();
  };
  CHECK(loss_at(0.035, 0) < loss_at(0.035, 5));
  CHECK(loss_at(0.035, 5) < loss_at(0.035, 10));
  CHECK(loss_at(0.035, 10) == Approx(loss_at(0.035, 1000)).epsilon(1e-12));
  // the reference code's 5e-5
  CHECK(loss_at({}, 3500) == Approx(loss_at(0.035, 5)).epsilon(1e-12));
  CHECK(loss_at({}, 7000) == Approx(loss_at(0.035, 10)).epsilon(1e-12));
}

TEST_CASE("heads: a margin that is whole from the first step is not annealed", "[heads]") {
  CHECK_THROWS_WITH(completed({.classes = 3, .anneal_gamma = 0.1}), Contains(".head.anneal_gamma: with .head.feature_norm"));
  CHECK_FALSE(completed({.classes = 3}).anneal_gamma.has_value());
}
