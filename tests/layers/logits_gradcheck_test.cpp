// Compares backward with central differences in double, for the layers that change logits.
#include <amnet/layers/angular_margin.h>
#include <amnet/layers/distance.h>
#include <amnet/layers/hard_margin.h>
#include <amnet/layers/lse_margin.h>
#include <amnet/layers/sample_scale.h>
#include <amnet/layers/sphere_product.h>
#include <amnet/layers/target_margin.h>
#include <amnet/layers/target_rescale.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "layers/layer_checks.h"

namespace {

using namespace amnet;

/// Cosines in (-0.9, 0.9) and labels.
std::vector<Tensor> cosines_and_labels(const Shape& shape, std::uint64_t seed) {
  Tensor cosines = random_normal(shape, seed);
  for (double& value : cosines.data<double>()) value = 0.9 * std::sin(2 * value);
  return {cosines, random_labels(shape[0], shape[1], seed)};
}

const std::initializer_list<Shape> logits = {{1, 7}, {5, 3}, {4, 33}, {9, 130}};

}  // namespace

TEST_CASE("gradcheck: target margin", "[gradcheck]") {
  for (const bool output : {false, true}) {
    check_layer([&] { return TargetMargin({.margin = 0.35, .margin_output = output}); }, logits, {}, cosines_and_labels);
    check_layer([&] { return TargetMargin({.margin = 0.35, .margin_output = output}); }, logits, {.phase = Phase::test},
                cosines_and_labels);
  }
  const MarginSchedule schedule{.gamma = -5e-5, .min = -0.4};
  check_layer([&] { return TargetMargin({.schedule = schedule}); }, logits, {.step = {.number = 1000}}, cosines_and_labels);
}

TEST_CASE("gradcheck: angular margin", "[gradcheck]") {
  const MakeInputs with_margin = [](const Shape& shape, std::uint64_t seed) {
    std::vector<Tensor> inputs = cosines_and_labels(shape, seed);
    inputs.push_back(Tensor::of<double>({1}, {0.7 + 0.1 * static_cast<double>(seed % 7)}));
    return inputs;
  };
  for (const AngularMarginKind kind : {AngularMarginKind::hard, AngularMarginKind::soft}) {
    for (const bool output : {false, true}) {
      check_layer([&] { return AngularMargin({.kind = kind, .margin_output = output}); }, logits,
                  {.draw_parameter = [&](Parameter& margin) { margin.value.fill(kind == AngularMarginKind::hard ? 20 : 1.35); }},
                  cosines_and_labels);
      check_layer([&] { return AngularMargin({.kind = kind, .margin_input = true, .margin_output = output}); }, logits, {}, with_margin);
    }
  }
  const AngularMarginSchedule schedule{.base = 10, .gamma = 0.1, .power = 0.5};
  check_layer([&] { return AngularMargin({.schedule = schedule, .max = 11}); }, logits, {.step = {.number = 1000}}, cosines_and_labels);
  check_layer([] { return AngularMargin({.margin = 20}); }, logits, {.phase = Phase::test}, cosines_and_labels);
  // The reference code's CPU arithmetic has the exact gradient too.
  check_layer([] { return AngularMargin({.arithmetic = Arithmetic::reference_cpu}); }, logits,
              {.draw_parameter = [](Parameter& margin) { margin.value.fill(20); }}, cosines_and_labels);
}

TEST_CASE("gradcheck: hard margin", "[gradcheck]") {
  for (const bool output : {false, true}) {
    check_layer([&] { return HardMargin({.positive_weight = 0.8, .margin_output = output}); }, logits, {}, cosines_and_labels);
  }
  check_layer([] { return HardMargin(); }, logits, {.phase = Phase::test}, cosines_and_labels);
}

TEST_CASE("gradcheck: target rescale", "[gradcheck]") {
  const GradcheckOptions away_from_0{.kinks = {{"input 0", 0}}};
  const RescaleSchedule schedule{.base = 2, .gamma = 0.01, .power = 2, .min = 0.3};
  for (const bool only_positive : {false, true}) {
    for (const bool keeps_one : {false, true}) {
      check_layer(
          [&] {
            return TargetRescale({.positive_weight = 0.7,
                                  .negative_weight = 1.2,
                                  .only_positive = only_positive,
                                  .keeps_one = keeps_one,
                                  .weight_output = true});
          },
          logits, away_from_0, cosines_and_labels);
    }
    check_layer([&] { return TargetRescale({.positive_weight = 2.5, .only_positive = only_positive, .power = true}); }, logits, away_from_0,
                cosines_and_labels);
  }
  check_layer([&] { return TargetRescale({.schedule = schedule}); }, logits, {.step = {.number = 40}}, cosines_and_labels);
  check_layer([] { return TargetRescale({.positive_weight = 0.7}); }, logits, {.phase = Phase::test}, cosines_and_labels);
  check_layer([] { return TargetRescale({.positive_weight = 0.7, .in_test = true}); }, logits, {.phase = Phase::test}, cosines_and_labels);
  check_layer([] { return TargetRescale({.positive_weight = 20, .power = true, .arithmetic = Arithmetic::reference_gpu}); }, logits, {},
              cosines_and_labels);
}

TEST_CASE("gradcheck: lse margin", "[gradcheck]") {
  const MakeInputs with_norms = [](const Shape& shape, std::uint64_t seed) {
    std::vector<Tensor> inputs = cosines_and_labels(shape, seed);
    inputs.push_back(random_normal({shape[0], 1}, seed + 1));
    for (double& value : inputs[2].data<double>()) value = 8 + value;
    return inputs;
  };
  // The margin is a constant in backward, so it is kept from following the inputs: it stays
  // negative here, and is not subtracted; the kernel's test has the term of one that is.
  const auto negative = [](Parameter& parameter) { parameter.value.fill(parameter.buffer ? -90 : 12); };
  check_layer([] { return LseMargin(); }, logits, {.draw_parameter = negative}, cosines_and_labels);
  check_layer([] { return LseMargin({.feature_norm = true, .scale = {.lr_mult = 0}}); }, logits, {.draw_parameter = negative}, with_norms);
  check_layer([] { return LseMargin(); }, logits, {.phase = Phase::test, .draw_parameter = negative}, cosines_and_labels);
}

TEST_CASE("gradcheck: sphere product", "[gradcheck]") {
  const std::initializer_list<Shape> rows = {{1, 7}, {5, 4}, {3, 33}, {2, 64}};
  for (const std::int64_t classes : {1, 5}) {
    const MakeInputs inputs = [classes](const Shape& shape, std::uint64_t seed) {
      return std::vector<Tensor>{random_normal(shape, seed), random_labels(shape[0], classes, seed)};
    };
    for (const std::int64_t multiplier : {1, 2, 3, 4}) {
      for (const double base : {0.0, 5.0}) {
        check_layer([&] { return SphereProduct(classes, {.multiplier = multiplier, .base = base, .lambda_output = base == 0}); }, rows,
                    {.max_elements = 60}, inputs);
      }
      check_layer([&] { return SphereProduct(classes, {.multiplier = multiplier}); }, rows, {.phase = Phase::test, .max_elements = 60},
                  inputs);
    }
  }
}

TEST_CASE("gradcheck: distance", "[gradcheck]") {
  const std::initializer_list<Shape> rows = {{1, 7}, {5, 4}, {3, 33}, {2, 64}};
  const MakeInputs one = [](const Shape& shape, std::uint64_t seed) { return std::vector<Tensor>{random_normal(shape, seed)}; };
  const MakeInputs with_centres = [](const Shape& shape, std::uint64_t seed) {
    return std::vector<Tensor>{random_normal(shape, seed), random_normal({5, shape[1]}, seed + 1)};
  };
  for (const RowNorm norm : {RowNorm::none, RowNorm::projected}) {
    check_layer([&] { return Distance(5, {.row_norm = norm}); }, rows, {.max_elements = 60}, one);
  }
  check_layer([] { return Distance(5, {.weight_from_input = true}); }, rows, {.max_elements = 60}, with_centres);
  // Whole numbers and halves: no coordinate of a row is near one of a centre.
  const MakeInputs apart = [&](const Shape& shape, std::uint64_t seed) {
    std::vector<Tensor> inputs = with_centres(shape, seed);
    for (double& value : inputs[0].data<double>()) value = std::round(4 * value);
    for (double& value : inputs[1].data<double>()) value = std::round(4 * value) + 0.5;
    return inputs;
  };
  check_layer([] { return Distance(5, {.kind = DistanceKind::l1, .weight_from_input = true}); }, rows, {.max_elements = 60}, apart);
}

TEST_CASE("gradcheck: sample scale", "[gradcheck]") {
  for (const int per_position : {0, 1}) {
    const MakeInputs inputs = [per_position](const Shape& shape, std::uint64_t seed) {
      const Shape scales = per_position == 1 ? shape.with(shape.rank() - 1, 1) : Shape{shape[0]};
      return std::vector<Tensor>{random_normal(shape, seed), random_normal(scales, seed + 1)};
    };
    check_layer([] { return SampleScale(); }, {{1, 5, 3, 4}, {2, 3, 7, 1}, {3, 4, 2, 17}, {6, 19}}, {}, inputs);
  }
  const MakeInputs one_each = [](const Shape& shape, std::uint64_t seed) {
    return std::vector<Tensor>{random_normal(shape, seed), random_normal({shape[0], 1}, seed + 1)};
  };
  for (const Phase phase : {Phase::train, Phase::test}) {
    check_layer([] { return SampleScale({.global = GlobalScaleOptions{}}); }, logits, {.phase = phase, .not_differentiable = {1}},
                one_each);
  }
}
