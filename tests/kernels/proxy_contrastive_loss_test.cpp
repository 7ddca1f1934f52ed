#include <amnet/kernels/proxy_contrastive_loss.h>
#include <amnet/layers/proxy_contrastive_loss.h>

#include <cmath>

#include "catch.h"
#include "values.h"

using namespace amnet;

namespace {

// Pulls of 0.25 (class 0) and 1.5 (class 2) without a margin; pushes, of a margin of 1: 0.5 and
// 0.75 of the first sample, 0.25 of the second.
const Tensor distances = Tensor::of<double>({2, 3}, {0.25, 0.5, 0.25, 0.75, 3, 1.5});
const Tensor labels = Tensor::of<std::int64_t>({2}, {0, 2});

struct Found {
  double loss;
  std::vector<double> means, gradient;
};

Found found(const ProxyContrastiveRule& rule, double negative_margin = 1) {
  Cpu cpu(2);
  const Tensor loss({1}, DType::f64), means({2}, DType::f64), dloss = Tensor::of<double>({1}, {2}), gradient({2, 3}, DType::f64);
  const double mean = proxy_contrastive_loss_forward(cpu, rule, distances, labels, negative_margin, {.loss = loss, .means = means});
  CHECK(mean == means.data<double>()[0]);
  proxy_contrastive_loss_backward(cpu, rule, distances, labels, negative_margin, dloss, {gradient, Write::assign});
  return {loss.item(), values_of<double>(means), values_of<double>(gradient)};
}

using Values = std::vector<double>;

}  // namespace

TEST_CASE("proxy_contrastive_loss: pulls and pushes of the formula", "[proxy_contrastive_loss]") {
  const Found plain = found({});
  CHECK(plain.loss == (0.25 + 1.5 + 0.5 + 0.75 + 0.25) / 2);
  CHECK(plain.means == Values{1.75 / 2, 1.5 / 4});
  CHECK(plain.gradient == Values{1, -1, -1, -1, 0, 1});
  const Found weighted = found({.positive_margin = 0.25, .positive_weight = 2, .negative_weight = 3, .positive_outlier_threshold = 1});
  CHECK(weighted.loss == (2 * 1 + 3 * 1.5) / 2);  // the second pull is an outlier
  CHECK(weighted.gradient == Values{0, -3, -3, -3, 0, 0});
  const Found exponential = found({.exp_negative_weight = true});
  CHECK(exponential.loss == Approx((1.75 + std::exp(-0.5) + std::exp(-0.25) + std::exp(-0.75)) / 2));
  CHECK(exponential.gradient[1] == Approx(-std::exp(-0.5)));
  const Found maxima = found({.max_positive_only = true, .max_negative_only = true});
  CHECK(maxima.loss == (1.5 + 0.75 + 0.25) / 2);
  CHECK(maxima.gradient == Values{0, 0, -1, -1, 0, 1});
  const Found first = found({.positive_first = true});
  CHECK(first.loss == (0.25 + 1.5 + 1.25) / 2);
  CHECK(first.gradient == Values{1, -1, -1, 0, 0, 1});
  // The pushes' gradients sum to 3 / 2 per sample; they are allowed 0.5, which is 3 times less.
  const Found normal = found({.normalize_negative = 0.5});
  CHECK(normal.loss == plain.loss);
  CHECK(normal.gradient[1] == Approx(-1 / 3.0));
  CHECK(normal.gradient[0] == 1);
  CHECK(found({.normalize_negative = 2.0}).gradient == plain.gradient);
}

TEST_CASE("proxy_contrastive_loss: where the reference code differs", "[proxy_contrastive_loss]") {
  // The smallest pull is kept; the push of the first sample is compared with its pull, of class 0.
  const Found maxima = found({.max_positive_only = true, .max_negative_only = true, .reference = true});
  CHECK(maxima.loss == (0.25 + 0.75 + 0.25) / 2);
  CHECK(maxima.gradient == Values{1, 0, -1, -1, 0, 0});
  const Found strong = found({.positive_weight = 4, .max_negative_only = true, .reference = true});
  CHECK(strong.loss == (4 * 1.75 + 0.25) / 2);
  CHECK(strong.gradient == Values{4, 0, 0, -1, 0, 4});
  // The outlier threshold is compared with the distance, not with the pull.
  CHECK(found({.positive_margin = 0.25, .positive_outlier_threshold = 1.4, .reference = true}).gradient[5] == 0);
  CHECK(found({.positive_margin = 0.25, .positive_outlier_threshold = 1.4}).gradient[5] == 1);
  CHECK(found({.positive_outlier_threshold = 1, .positive_first = true, .reference = true}).gradient == Values{1, -1, -1, 0, 0, 1});
  CHECK(found({.negative_weight = -1, .reference = true}).loss == found({}).loss);
}

TEST_CASE("proxy_contrastive_loss: the layer's moving average and its values", "[proxy_contrastive_loss]") {
  ProxyContrastiveLoss layer({.negative_margin = 0.5, .add_intra_mae = true, .max_negative_margin = 0.6, .distances = true});
  const std::vector<TensorSpec> specs{{{2, 3}, DType::f64}, {{2}, DType::i64}, {{2, 3}, DType::f64}};
  layer.build(specs);
  const LayerPlan plan = layer.setup(specs);
  REQUIRE(plan.outputs.size() == 2);
  CHECK(plan.outputs[1].shape == Shape{3});
  layer.visit([](Parameter& parameter) {
    CHECK(parameter.buffer);
    parameter.value.fill(0.5);
  });
  Device device = Cpu(1);
  const Tensor none({2, 3}, DType::f64), gradient({2, 3}, DType::f64), of_values({2, 3}, DType::f64);
  none.fill(std::nan(""));  // the values are those of the third input
  const std::vector<Tensor> inputs{none, labels, distances}, outputs{Tensor({1}, DType::f64), Tensor({3}, DType::f64)};
  const std::vector<Tensor> saved{Tensor({1}, DType::f64)}, dloss{Tensor::of<double>({1}, {2}), Tensor()};
  for (const auto& [phase, average] : {std::pair{Phase::test, 0.5}, {Phase::train, 0.99 * 0.5 + 0.01 * 0.875}}) {
    Context context{.device = device, .phase = phase};
    layer.forward({context, inputs, outputs, saved});
    CHECK(outputs[1].data<double>()[2] == Approx(average));
    CHECK(outputs[0].item() == found({}).loss);  // of the average before
    const std::vector<Gradient> gradients{{gradient, Write::assign}, {}, {of_values, Write::assign}};
    layer.backward(
        {.context = context, .inputs = inputs, .outputs = {}, .saved = saved, .output_gradients = dloss, .input_gradients = gradients});
    CHECK(values_of<double>(gradient) == found({}).gradient);
    CHECK(values_of<double>(of_values) == Values(6, 0));
    const std::vector<Tensor> of_means{dloss[0], Tensor({3}, DType::f64)};
    CHECK_THROWS_AS(layer.backward({.context = context,
                                    .inputs = inputs,
                                    .outputs = {},
                                    .saved = saved,
                                    .output_gradients = of_means,
                                    .input_gradients = gradients}),
                    UsageError);
  }
  layer.visit([](Parameter& parameter) { parameter.value.fill(10); });
  Context context{.device = device, .phase = Phase::train};
  layer.forward({context, inputs, outputs, saved});
  CHECK(outputs[1].data<double>()[2] == 0.6);
}
