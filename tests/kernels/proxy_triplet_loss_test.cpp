#include <amnet/kernels/proxy_triplet_loss.h>
#include <amnet/layers/proxy_triplet_loss.h>

#include "catch.h"
#include "values.h"

using namespace amnet;

namespace {

// Of the first sample, whose proxy is 0.5 away, the others miss a margin of 1 by 0.25 and 1; of the
// second, 1.5 away, by 1.75 and 0.
const Tensor distances = Tensor::of<double>({2, 3}, {0.5, 1.25, 0.5, 0.75, 2.5, 1.5});
const Tensor labels = Tensor::of<std::int64_t>({2}, {0, 2});
const Tensor weights = Tensor::of<double>({2}, {3, 0.5});

struct Found {
  double loss;
  std::vector<double> gradient;
};

Found found(ProxyTripletRule rule, const Tensor& of_samples = {}) {
  Cpu cpu(2);
  rule.margin = 1;
  const Tensor loss({1}, DType::f64), means({2}, DType::f64), dloss = Tensor::of<double>({1}, {2}), gradient({2, 3}, DType::f64);
  proxy_triplet_loss_forward(cpu, rule, distances, labels, of_samples, loss, means);
  CHECK(values_of<double>(means) == std::vector<double>{2 / 2.0, 5 / 4.0});
  proxy_triplet_loss_backward(cpu, rule, distances, labels, of_samples, dloss, {gradient, Write::assign});
  return {loss.item(), values_of<double>(gradient)};
}

using Values = std::vector<double>;

}  // namespace

TEST_CASE("proxy_triplet_loss: pushes, pulls and weights of the formula", "[proxy_triplet_loss]") {
  const Found plain = found({});
  CHECK(plain.loss == (0.25 + 1 + 1.75 + 0.5 + 1.5) / 2);
  CHECK(plain.gradient == Values{3, -1, -1, -1, 0, 2});
  const Found alone = found({.add_center_loss = false, .negative_weight = 2});
  CHECK(alone.loss == 2 * 3.0 / 2);
  CHECK(alone.gradient == Values{4, -2, -2, -2, 0, 2});
  const Found hardest = found({.hardest_only = true, .positive_weight = 3});
  CHECK(hardest.loss == (1 + 1.75 + 3 * 2) / 2);
  CHECK(hardest.gradient == Values{4, 0, -1, -1, 0, 4});
  const Found first = found({.add_center_loss = false, .positive_first = true, .positive_weight = 3});
  CHECK(first.loss == (1.25 + 3 * 1.5) / 2);
  CHECK(first.gradient == Values{2, -1, -1, 0, 0, 3});
  const Found weighted = found({}, weights);
  CHECK(weighted.loss == (3 * (1.25 + 0.5) + 0.5 * (1.75 + 1.5)) / 2);
  CHECK(weighted.gradient == Values{9, -3, -3, -0.5, 0, 1});
}

TEST_CASE("proxy_triplet_loss: loss and gradient of the reference code", "[proxy_triplet_loss]") {
  const Found plain = found({.positive_weight = 3, .negative_weight = 2, .reference = true}, weights);
  CHECK(plain.loss == 2 * 3.0 / 2);
  CHECK(plain.gradient == Values{9, -6, -6, -1, 0, 1.5});
  const Found first = found({.add_center_loss = false, .hardest_only = true, .positive_first = true, .reference = true});
  CHECK(first.loss == 1 / 2.0);
  CHECK(first.gradient == Values{1, 0, -1, 0, 0, 1});
  CHECK(found({.negative_weight = -2, .reference = true}).loss == 2 * 3.0 / 2);
}

TEST_CASE("proxy_triplet_loss: other inputs are refused", "[proxy_triplet_loss]") {
  const TensorSpec x{{4, 2}, DType::f32}, y{{4}, DType::i64}, w{{4}, DType::f32}, few{{3}, DType::f32};
  const auto setup = [](std::vector<TensorSpec> inputs) { return ProxyTripletLoss({.distances = true}).setup(inputs); };
  CHECK(setup({x, y, w}).outputs.size() == 2);
  CHECK_THROWS_AS(setup({x}), UsageError);
  CHECK_THROWS_AS(setup({x, y, few}), UsageError);
  CHECK_THROWS_AS(setup({x, w}), UsageError);
  CHECK_THROWS_AS(setup({w, y}), UsageError);
  Cpu cpu(1);
  CHECK_THROWS_AS(proxy_triplet_loss_forward(cpu, {}, distances, Tensor::of<std::int64_t>({2}, {0, 3}), {}, Tensor({1}, DType::f64), {}),
                  DataError);
}
