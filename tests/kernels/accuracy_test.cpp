#include <amnet/kernels/accuracy.h>
#include <amnet/layers/accuracy.h>

#include <limits>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("accuracy: the share of right samples, ties to the larger index", "[accuracy]") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  Cpu cpu(1);
  // The rows give 2; 1, by a tie; 1, by a tie; 0; and nothing.
  const Tensor logits = Tensor::of<float>({5, 3}, {1, 2, 3, 5, 5, 1, 5, 5, 1, 9, 1, 1, nan, nan, nan});
  const Tensor accuracy({1}, DType::f32);
  const auto of = [&](std::initializer_list<std::int64_t> labels) {
    accuracy_forward(cpu, logits, Tensor::of<std::int64_t>({5}, labels), accuracy);
    return accuracy.item();
  };
  CHECK(of({2, 1, 0, 0, 0}) == Approx(3 / 5.0));
  CHECK(of({2, 1, 1, 0, 2}) == Approx(4 / 5.0));
  CHECK(of({0, 0, 0, 1, 1}) == 0);
  CHECK_THROWS_AS(of({0, 0, 0, 3, 1}), DataError);
}

TEST_CASE("accuracy: the k best classes, of logits and of distances", "[accuracy]") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  Cpu cpu(2);
  const Tensor accuracy({1}, DType::f32);
  const auto of = [&](std::initializer_list<float> row, std::int64_t label, std::int64_t k, bool min_is_better) {
    const auto classes = static_cast<std::int64_t>(row.size());
    accuracy_forward(cpu, Tensor::of<float>({1, classes}, row), Tensor::of<std::int64_t>({1}, {label}), accuracy,
                     {.top_k = k, .min_is_better = min_is_better});
    return accuracy.item() == 1;
  };
  CHECK(of({4, 3, 2, 1}, 1, 2, false));
  CHECK(!of({4, 3, 2, 1}, 2, 2, false));
  CHECK(of({4, 3, 2, 1}, 2, 2, true));
  CHECK(of({4, 3, 2, 1}, 3, 1, true));
  CHECK(!of({4, 3, 2, 1}, 0, 3, true));
  // Ties: of logits the later class is taken first, of distances the earlier one.
  CHECK(of({5, 5, 5, 1}, 1, 2, false));
  CHECK(!of({5, 5, 5, 1}, 0, 2, false));
  CHECK(of({5, 5, 5, 9}, 1, 2, true));
  CHECK(!of({5, 5, 5, 9}, 2, 2, true));
  CHECK(!of({nan, 1, 2, 3}, 0, 4, false));
  CHECK(of({nan, 1, 2, 3}, 1, 3, false));
}

TEST_CASE("accuracy: of several centres the best counts", "[accuracy]") {
  Cpu cpu(1);
  const Tensor accuracy({1}, DType::f32), logits = Tensor::of<float>({3, 4}, {1, 7, 3, 6, 7, 1, 7, 2, 5, 5, 4, 4});
  const auto of = [&](std::initializer_list<std::int64_t> labels) {
    accuracy_forward(cpu, logits, Tensor::of<std::int64_t>({3}, labels), accuracy, {.centres = 2});
    return accuracy.item();
  };
  CHECK(of({0, 1, 0}) == 1);  // the second by a tie
  CHECK(of({1, 0, 1}) == 0);
  CHECK_THROWS_AS(of({0, 2, 0}), DataError);
  CHECK_THROWS_AS(accuracy_forward(cpu, logits, Tensor::of<std::int64_t>({3}, {0, 0, 0}), accuracy, {.centres = 3}), UsageError);
}

TEST_CASE("accuracy: rows that are not counted, and the accuracy of each class", "[accuracy]") {
  Cpu cpu(2);
  // 2, 0, 1, 2, 2, 0
  const Tensor logits = Tensor::of<double>({6, 3}, {1, 2, 3, 3, 2, 1, 1, 3, 2, 1, 2, 3, 1, 2, 3, 9, 1, 1});
  const Tensor labels = Tensor::of<std::int64_t>({6}, {2, 0, 0, 255, 0, 1}), weights = Tensor::of<double>({6}, {1, 0.5, 2, 1, 0, -1});
  const Tensor accuracy({1}, DType::f64), per_class({3}, DType::f64);
  accuracy_forward(cpu, logits, labels, accuracy, {.ignore_label = 255, .per_class = per_class});
  CHECK(accuracy.item() == 2 / 5.0);
  CHECK(values_of<double>(per_class) == std::vector<double>{1 / 3.0, 0, 1});
  accuracy_forward(cpu, logits, labels, accuracy, {.ignore_label = 255, .weights = weights, .per_class = per_class});
  CHECK(accuracy.item() == 2 / 4.0);
  CHECK(values_of<double>(per_class) == std::vector<double>{1 / 2.0, 0, 1});
  CHECK_THROWS_AS(accuracy_forward(cpu, logits, labels, accuracy), DataError);
  const Tensor ignored = Tensor::of<std::int64_t>({6}, {-1, -1, -1, -1, -1, -1});
  accuracy_forward(cpu, logits, ignored, accuracy, {.ignore_label = -1});
  CHECK(accuracy.item() == 0);
}

TEST_CASE("accuracy: the layer takes logits of any rank and states its outputs", "[accuracy]") {
  const Accuracy layer({.top_k = 2, .per_class = true});
  const std::vector<TensorSpec> inputs{{{2, 3, 4, 5}, DType::f32}, {{2, 3, 4}, DType::i64}};
  const LayerPlan plan = layer.setup(inputs);
  REQUIRE(plan.outputs.size() == 2);
  CHECK(plan.outputs[1].shape == Shape{5});
  CHECK(!plan.outputs[1].per_sample);
  CHECK_THROWS_AS(Accuracy({.top_k = 0}), UsageError);
  CHECK_THROWS_AS(Accuracy({.top_k = 6}).setup(inputs), UsageError);
  CHECK_THROWS_AS(Accuracy({.sample_weights = true}).setup(inputs), UsageError);
}
