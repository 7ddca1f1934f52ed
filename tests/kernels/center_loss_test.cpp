#include <amnet/kernels/center_loss.h>
#include <amnet/layers/center_loss.h>

#include "catch.h"
#include "values.h"

using namespace amnet;

namespace {

// Two samples of class 2 and one of class 0; none of class 1.
const Tensor x = Tensor::of<double>({3, 2}, {1, 2, 5, -1, 3, 3}), centers = Tensor::of<double>({3, 2}, {1, 1, 9, 9, 0, 2});
const Tensor labels = Tensor::of<std::int64_t>({3}, {2, 0, 2});

std::vector<double> center_gradient(const CenterRule& rule, double dloss) {
  Cpu cpu(2);
  const Tensor dcenters({3, 2}, DType::f64);
  center_loss_backward(cpu, rule, x, labels, centers, Tensor::of<double>({1}, {dloss}), {}, {dcenters, Write::assign});
  return values_of<double>(dcenters);
}

}  // namespace

TEST_CASE("center_loss: distances to the center of the own class", "[center_loss]") {
  Cpu cpu(2);
  const Tensor loss({1}, DType::f64), dx({3, 2}, DType::f64), dloss = Tensor::of<double>({1}, {3});
  center_loss_forward(cpu, {}, x, labels, centers, loss);
  CHECK(loss.item() == Approx((1 + 0 + 16 + 4 + 9 + 1) / 6.0));
  center_loss_backward(cpu, {}, x, labels, centers, dloss, {dx, Write::assign}, {});
  CHECK(values_of<double>(dx) == std::vector<double>{1, 0, 4, -2, 3, 1});
  CHECK(center_gradient({}, 3) == std::vector<double>{-4, 2, 0, 0, -4, -1});
  center_loss_forward(cpu, {.distance = NormKind::l1}, x, labels, centers, loss);
  CHECK(loss.item() == Approx((1 + 0 + 4 + 2 + 3 + 1) / 3.0));
  CHECK(center_gradient({.distance = NormKind::l1}, 3) == std::vector<double>{-1, 1, 0, 0, -2, -1});
}

TEST_CASE("center_loss: the reference code's gradient of the centers", "[center_loss]") {
  // n / (n + 1) sum of (c - x), whatever the loss is multiplied with
  for (const double dloss : {3.0, 0.1}) {
    const std::vector<double> found = center_gradient({.reference = true}, dloss);
    const std::vector<double> expected{-4 / 2.0, 2 / 2.0, 0, 0, -4 * 2 / 3.0, -1 * 2 / 3.0};
    for (std::size_t i = 0; i < found.size(); ++i) CHECK(found[i] == Approx(expected[i]));
  }
}

TEST_CASE("center_loss: the layer's centers, and labels that are none", "[center_loss]") {
  CenterLoss layer(3);
  const std::vector<TensorSpec> inputs{{{3, 2}, DType::f64}, {{3}, DType::i64}}, images{{{3, 2, 2, 1}, DType::f64}, {{3}, DType::i64}};
  layer.build(inputs);
  CHECK_NOTHROW(layer.setup(inputs));
  layer.look([](const Parameter& parameter) {
    CHECK(parameter.name == "centers");
    CHECK(parameter.value.shape() == Shape{3, 2});
  });
  CHECK_THROWS_AS(layer.setup(images), UsageError);
  Cpu cpu(1);
  CHECK_THROWS_AS(center_loss_forward(cpu, {}, x, Tensor::of<std::int64_t>({3}, {0, 1, 3}), centers, Tensor({1}, DType::f64)), DataError);
}
