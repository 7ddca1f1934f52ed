// Compares the backward of the margin losses with central differences in double, away from the
// kinks of their rules, and the losses that are special cases of others with these.
#include <amnet/kernels/sphere_product.h>
#include <amnet/layers/binary_cross_entropy.h>
#include <amnet/layers/softmax_cross_entropy.h>
#include <amnet/testing/gradcheck.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "catch.h"
#include "kernels/margin_row.h"
#include "kernels/sphere_angle.h"
#include "layers/layer_checks.h"

namespace {

using namespace amnet;

constexpr double pi = std::numbers::pi, apart = 0.02;

struct Sizes {
  std::int64_t samples, classes;
};
const std::initializer_list<Sizes> sizes = {{1, 2}, {5, 7}, {4, 33}, {2, 1100}};

/// Cosines (N,K classes), labels, and norms if asked for, none of them near a kink of the form.
std::vector<Tensor> inputs_of(const MarginForm& form, bool norms, const Sizes& size, std::uint64_t seed) {
  const std::int64_t columns = size.classes * form.centres;
  Tensor cosines({size.samples, columns}, DType::f64), of_features({size.samples, 1}, DType::f64);
  const Tensor labels = random_labels(size.samples, size.classes, seed);
  const Random random(seed, stream_of("margin"));
  std::uint64_t drawn = 0;
  const auto angle = [&] { return random.uniform(drawn++, 0.3, 2.84); };
  const auto is_near = [](double a, double b) { return std::abs(a - b) < apart; };
  const auto is_limited = [&](double c) { return is_near(std::abs(c), 1 - form.cosine_limit); };
  for (std::int64_t i = 0; i < size.samples; ++i) {
    double* const row = cosines.data<double>().data() + i * columns;
    const std::int64_t label = labels.data<std::int64_t>()[static_cast<std::size_t>(i)];
    double a = 0, threshold = 0;
    const auto is_kink_of_target = [&] {
      for (const double m : {form.angle, form.margin_low, form.margin_high}) {
        const double phi = form.multiplier * a + m;
        if (is_near(std::remainder(phi, pi), 0) || is_near(phi, form.least_angle) || is_near(phi, form.most_angle)) return true;
      }
      return is_near(std::cos(a), 0) || is_limited(std::cos(a));
    };
    do a = angle();
    while (is_kink_of_target());
    threshold = form.negatives == NegativeRule::filtered ? form.filter : std::cos(a + form.angle);
    for (std::int64_t j = 0; j < columns; ++j) {
      const bool is_target = j / form.centres == label;
      const auto is_kink = [&](double c) {
        for (std::int64_t k = j / form.centres * form.centres; k < j; ++k) {
          if (std::abs(c - row[k]) < 1e-3) return true;
        }
        return is_near(c, threshold) || is_limited(c);
      };
      if (is_target && j % form.centres == 0) {
        row[j] = std::cos(a);
      } else if (is_target) {  // further from the sample than the first
        row[j] = std::cos(a) - 0.01 * static_cast<double>(j % form.centres);
      } else {
        do row[j] = std::cos(angle());
        while (is_kink(row[j]));
      }
    }
    double& norm = of_features.data<double>()[static_cast<std::size_t>(i)];
    // norms that scale the cosines are no larger than a scale that differences of the loss can
    // follow
    do norm = random.uniform(drawn++, 2, form.has_norm_margin() ? 130 : 12);
    while (std::abs(norm - form.norm_low) < 0.5 || std::abs(norm - form.norm_high) < 0.5 || std::abs(norm - form.norm_target) < 0.5);
  }
  std::vector<Tensor> inputs = {cosines, labels};
  if (norms) inputs.push_back(of_features);
  return inputs;
}

struct Rule {
  std::string name;
  SoftmaxCrossEntropyOptions options;
  bool norms_pass = true;  ///< whether a gradient passes through the norms
};

std::vector<Rule> softmax_rules() {
  using S = SoftmaxCrossEntropyOptions;
  const MarginForm magface{
      .norm_margin = NormMargin::magface, .norm_low = 10, .norm_high = 110, .norm_penalty = NormPenalty::magface, .penalty = 35};
  MarginForm magface_linear = magface;
  magface_linear.past_pi = PastPi::linear;
  std::vector<Rule> rules = {
      {"arcface", S{.scale = 8, .form = {.angle = 0.5}}},
      {"arcface, linear past pi", S{.scale = 8, .form = {.angle = 0.5, .past_pi = PastPi::linear}}},
      {"arcface, the cosine past pi", S{.scale = 8, .form = {.angle = 0.5, .past_pi = PastPi::cosine}}},
      {"arcface, clipped", S{.scale = 8, .form = {.angle = 0.5, .past_pi = PastPi::clipped}}},
      {"arcface, not continued", S{.scale = 8, .form = {.angle = 0.5, .past_pi = PastPi::none}}},
      {"arcface with an easy margin", S{.scale = 8, .rule = MarginRule::cos_gt_0, .form = {.angle = 0.5}}},
      {"arcface with three centres", S{.scale = 8, .form = {.angle = 0.5, .centres = 3}}},
      {"arcface within a limit", S{.scale = 8, .form = {.angle = 0.5, .cosine_limit = 0.1}}},
      {"combined", S{.scale = 8, .margin = 0.15, .form = {.multiplier = 0.9, .angle = 0.4}}},
      {"sphereface", S{.sample_scale = true, .form = {.multiplier = 4, .blend = 5}}},
      {"sphereface, m 1.7", S{.scale = 8, .form = {.multiplier = 1.7}}},
      {"sphereface, annealed", S{.scale = 8, .form = {.multiplier = 3}, .blend = BlendSchedule{}}},
      {"sphereface_r v1", S{.scale = 8, .form = {.multiplier = 1.5, .past_pi = PastPi::clipped}}},
      {"sphereface_r v2", S{.scale = 8, .form = {.multiplier = 1.4, .negatives = NegativeRule::divided}, .factor = 3}},
      {"sphereface_r, soft norms",
       S{.sample_scale = true, .form = {.multiplier = 1.2, .norm_penalty = NormPenalty::distance, .penalty = 0.3, .norm_target = 6}}},
      {"sphereface_r, growing", S{.scale = 8, .growth = MultiplierGrowth{.by = 0.2, .after = {0, 3}}}},
      {"curricularface", S{.scale = 8, .form = {.angle = 0.5, .negatives = NegativeRule::curricular, .momentum = 0}}},
      {"filtered", S{.scale = 8, .form = {.angle = 0.5, .negatives = NegativeRule::filtered, .filter = 0.3}}},
      {"magface", S{.scale = 8, .form = magface}},
      {"magface, linear past pi", S{.scale = 8, .form = magface_linear}},
      {"adaface", S{.scale = 8, .margin = 0.4, .form = {.past_pi = PastPi::clipped, .norm_margin = NormMargin::adaface, .momentum = 0}},
       false},
  };
  return rules;
}

bool has_norms(const SoftmaxCrossEntropyOptions& options) {
  return options.sample_scale || options.form.has_norm_margin() || options.form.norm_penalty != NormPenalty::none;
}

/// Loss and gradient of one layer at these inputs, with the running statistics as a new layer has
/// them.
struct Outcome {
  double loss;
  Tensor gradient;
};
template <class L>
Outcome outcome(L layer, const std::vector<Tensor>& inputs) {
  std::vector<TensorSpec> specs;
  for (const Tensor& input : inputs) specs.push_back({input.shape(), input.dtype()});
  layer.build(specs);
  layer.visit([](Parameter& parameter) { parameter.value.fill(parameter.filler.value); });
  const LayerPlan plan = layer.setup(specs);
  std::vector<Tensor> outputs = {Tensor({1}, DType::f64)}, saved = {Tensor(plan.saved[0].shape, DType::f64)};
  Device device = Cpu(1);
  Context context{.device = device, .phase = Phase::train};
  layer.forward({.context = context, .inputs = inputs, .outputs = outputs, .saved = saved});
  Tensor slope({1}, DType::f64);
  slope.fill(1);
  const std::vector<Tensor> slopes = {slope};
  std::vector<Gradient> gradients = {{Tensor(inputs[0].shape(), DType::f64), Write::assign}};
  gradients.resize(inputs.size());
  layer.backward(
      {.context = context, .inputs = inputs, .outputs = {}, .saved = saved, .output_gradients = slopes, .input_gradients = gradients});
  return {outputs[0].item(), gradients[0].tensor};
}

void check_alike(const Outcome& one, const Outcome& other, double bound = 1e-12) {
  CHECK(one.loss == Approx(other.loss).epsilon(bound));
  const auto a = one.gradient.data<double>(), b = other.gradient.data<double>();
  REQUIRE(a.size() == b.size());
  double largest = 0, gap = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, std::abs(b[i]));
    gap = std::max(gap, std::abs(a[i] - b[i]));
  }
  CHECK(gap <= bound * largest);
}

double target_logit(const MarginOptions& options, double angle, double norm = 30) {
  MarginRow<double> row{};
  set_margin(row, options, {.mean = 20, .deviation = 10}, std::cos(angle), norm);
  return row.target;
}

}  // namespace

TEST_CASE("gradcheck: margin losses of the softmax", "[gradcheck][margin]") {
  for (const Rule& rule : softmax_rules()) {
    for (const Sizes& size : sizes) {
      for (const std::uint64_t seed : {1U, 2U}) {
        SoftmaxCrossEntropy layer(rule.options);
        // steps small enough for scales whose third derivatives are large
        GradcheckOptions options{.step = {.number = 2000}, .seed = seed, .step_size = 3e-5, .max_elements = 60};
        if (!rule.norms_pass) options.not_differentiable = {2};
        MarginForm form = rule.options.form;
        if (rule.options.growth) form.multiplier = rule.options.growth->multiplier_at(2000);
        const GradcheckResult result = gradcheck(layer, inputs_of(form, has_norms(rule.options), size, seed), options);
        INFO(rule.name << ", " << size.samples << " x " << size.classes << ", seed " << seed << "\n" << result.report());
        REQUIRE(result.passed());
        REQUIRE(result.checked > 0);
      }
    }
  }
}

TEST_CASE("gradcheck: binary cross-entropy of each class", "[gradcheck][margin]") {
  using B = BinaryCrossEntropyOptions;
  const std::vector<std::pair<std::string, B>> rules = {
      {"cosine margin", B{.scale = 6, .margin = 0.4}},
      {"another sharpness", B{.scale = 6, .margin = 0.2, .sharpness = 2.5, .balance = 0.3, .factor = 2}},
      {"angle", B{.scale = 6, .margin = 0, .form = {.angle = 0.5, .past_pi = PastPi::clipped}}},
      {"multiplied angle", B{.scale = 6, .margin = 0, .form = {.multiplier = 1.7, .past_pi = PastPi::clipped}}},
      {"two centres", B{.scale = 6, .margin = 0.4, .form = {.centres = 2}}},
  };
  for (const auto& [name, options_of_layer] : rules) {
    for (const Sizes& size : sizes) {
      for (const std::uint64_t seed : {1U, 2U}) {
        BinaryCrossEntropy layer(options_of_layer);
        const GradcheckResult result =
            gradcheck(layer, inputs_of(options_of_layer.form, false, size, seed), {.seed = seed, .step_size = 3e-5, .max_elements = 60});
        INFO(name << ", " << size.samples << " x " << size.classes << ", seed " << seed << "\n" << result.report());
        REQUIRE(result.passed());
        REQUIRE(result.checked > 0);
      }
    }
  }
}

TEST_CASE("margin: a loss that is a special case of another has its numbers", "[margin]") {
  using S = SoftmaxCrossEntropyOptions;
  const auto of = [](const S& options, const std::vector<Tensor>& inputs) { return outcome(SoftmaxCrossEntropy(options), inputs); };
  const std::vector<Tensor> inputs = inputs_of({.angle = 0.5}, false, {9, 40}, 3);
  const std::vector<Tensor> with_norms = inputs_of({.angle = 0.5}, true, {9, 40}, 3);
  std::vector<Tensor> at_mean = inputs;  // norms that all are the running mean
  at_mean.emplace_back(Shape{9, 1}, DType::f64);
  at_mean.back().fill(20);
  const Outcome plain = of({.scale = 30}, inputs), additive = of({.scale = 30, .margin = 0.35}, inputs),
                arcface = of({.scale = 30, .form = {.angle = 0.5}}, inputs);
  // no margin
  check_alike(of({.scale = 30, .form = {.past_pi = PastPi::linear, .blend = 2}}, inputs), plain);
  check_alike(of({.scale = 30, .margin = 0, .form = {.cosine_limit = 1e-9}}, inputs), plain);
  // the combined margin
  check_alike(of({.scale = 30, .margin = 0.35, .form = {.multiplier = 1, .angle = 0, .past_pi = PastPi::none}}, inputs), additive);
  check_alike(of({.scale = 30, .form = {.multiplier = 1, .angle = 0.5}}, inputs), arcface, 0);
  for (const int m : {2, 3, 4}) {
    for (double a = 0.02; a < pi; a += 0.05) {
      CHECK(target_logit({.form = {.multiplier = static_cast<double>(m)}}, a) ==
            Approx(SphereAngle<double>::of(m, std::cos(a)).psi).epsilon(1e-12));
    }
  }
  // one centre, and a second one that is a copy
  check_alike(of({.scale = 30, .form = {.angle = 0.5, .centres = 1}}, inputs), arcface, 0);
  Tensor doubled({9, 80}, DType::f64);
  for (std::size_t i = 0; i < doubled.data<double>().size(); ++i) doubled.data<double>()[i] = inputs[0].data<double>()[i / 2];
  const Outcome centres = of({.scale = 30, .form = {.angle = 0.5, .centres = 2}}, {doubled, inputs[1]});
  CHECK(centres.loss == arcface.loss);
  for (std::size_t i = 0; i < arcface.gradient.data<double>().size(); ++i) {
    CHECK(centres.gradient.data<double>()[2 * i] == arcface.gradient.data<double>()[i]);
    CHECK(centres.gradient.data<double>()[2 * i + 1] == 0);
  }
  // margins by norm
  check_alike(of({.scale = 30,
                  .form = {.norm_margin = NormMargin::magface, .norm_low = 10, .norm_high = 110, .margin_low = 0.5, .margin_high = 0.5}},
                 with_norms),
              arcface);
  check_alike(of({.scale = 30, .margin = 0.35, .form = {.norm_margin = NormMargin::adaface, .momentum = 0}}, at_mean), additive);
  // no negative above the threshold
  Tensor far = inputs[0].clone();
  for (std::size_t i = 0; i < far.data<double>().size(); ++i) {
    if (static_cast<std::int64_t>(i % 40) != inputs[1].data<std::int64_t>()[i / 40]) far.data<double>()[i] = -0.9999;
  }
  check_alike(of({.scale = 30, .form = {.angle = 0.5, .negatives = NegativeRule::curricular}}, {far, inputs[1]}),
              of({.scale = 30, .form = {.angle = 0.5}}, {far, inputs[1]}));
}

TEST_CASE("margin: the target's logit never grows with its angle", "[margin]") {
  struct Monotone {
    std::string name;
    MarginOptions options;
  };
  const std::vector<Monotone> all = {
      {"am-softmax", {.margin = 0.35}},
      {"arcface", {.form = {.angle = 0.5}}},
      {"arcface, linear", {.form = {.angle = 0.5, .past_pi = PastPi::linear}}},
      {"arcface, clipped", {.form = {.angle = 0.5, .past_pi = PastPi::clipped}}},
      {"arcface, m 1.5", {.form = {.angle = 1.5}}},
      {"combined", {.margin = 0.15, .form = {.multiplier = 0.9, .angle = 0.4}}},
      {"combined, steep", {.margin = 0.15, .form = {.multiplier = 3.3, .angle = 0.4}}},
      {"sphereface", {.form = {.multiplier = 4}}},
      {"sphereface, blended", {.form = {.multiplier = 4, .blend = 5}}},
      {"sphereface_r v1", {.form = {.multiplier = 1.5, .past_pi = PastPi::clipped}}},
      {"curricularface", {.form = {.angle = 0.5, .negatives = NegativeRule::curricular}}},
      {"magface", {.form = {.norm_margin = NormMargin::magface, .norm_low = 10, .norm_high = 110}}},
      {"adaface", {.margin = 0.4, .form = {.past_pi = PastPi::clipped, .norm_margin = NormMargin::adaface}}},
      {"adaface, mirrored", {.margin = 0.4, .form = {.norm_margin = NormMargin::adaface}}},
  };
  // Exempt, by name: easy margins and cos_gt_m, whose margin begins by a step; PastPi::cosine and
  // PastPi::none, which rise beyond pi as the code that they are named after does.
  for (const auto& [name, options] : all) {
    for (const double norm : {5.0, 20.0, 60.0, 150.0}) {
      INFO(name << ", norm " << norm);
      double before = std::numeric_limits<double>::infinity();
      bool falls = true;
      for (double a = 0; a <= pi; a += 1e-3) {
        const double now = target_logit(options, a, norm);
        falls = falls && now <= before + 1e-12;
        before = now;
      }
      CHECK(falls);
    }
  }
}

TEST_CASE("margin: running statistics move by the batch, before they are applied", "[margin]") {
  Cpu cpu(1);
  const Tensor labels = Tensor::of<std::int64_t>({3}, {0, 1, -1}), loss({1}, DType::f64), rows({3, margin_row_values}, DType::f64);
  const Tensor cosines = Tensor::of<double>({3, 2}, {0.5, 0.1, 0.2, 0.9, 0.3, 0.3});
  Tensor mean({1}, DType::f64), deviation({1}, DType::f64);
  mean.fill(0.2);
  MarginOptions curricular{.scale = 4, .form = {.angle = 0.5, .negatives = NegativeRule::curricular, .momentum = 0.1}};
  // The row that does not count has no part in it.
  softmax_cross_entropy_forward(cpu, curricular, cosines, labels, {.mean = mean}, rows, loss, {.ignore_label = -1});
  CHECK(mean.item() == Approx(0.9 * 0.2 + 0.1 * 0.7));
  CHECK(rows.data<double>()[7] == mean.item());
  const double before = mean.item();
  curricular.form.momentum = 0;
  softmax_cross_entropy_forward(cpu, curricular, cosines, labels, {.mean = mean}, rows, loss, {.ignore_label = -1});
  CHECK(mean.item() == before);

  const MarginOptions adaface{.scale = 4, .margin = 0.4, .form = {.norm_margin = NormMargin::adaface, .momentum = 0.1}};
  mean.fill(20);
  deviation.fill(100);
  const Tensor norms = Tensor::of<double>({3, 1}, {10, 300, 1});
  softmax_cross_entropy_forward(cpu, adaface, cosines, labels, {.norms = norms, .mean = mean, .deviation = deviation}, rows, loss,
                                {.ignore_label = -1});
  CHECK(mean.item() == Approx(0.9 * 20 + 0.1 * 55));  // 300 counts as 100
  CHECK(deviation.item() == Approx(0.9 * 100 + 0.1 * std::sqrt(2 * 45.0 * 45.0)));
  // Of one row no deviation is known.
  const double kept = deviation.item();
  softmax_cross_entropy_forward(cpu, adaface, cosines, Tensor::of<std::int64_t>({3}, {0, -1, -1}),
                                {.norms = norms, .mean = mean, .deviation = deviation}, rows, loss, {.ignore_label = -1});
  CHECK(deviation.item() == kept);
}

TEST_CASE("margin: forms that no loss has are refused by name", "[margin]") {
  const auto refused = [](const MarginForm& form, std::string_view word) {
    try {
      SoftmaxCrossEntropy layer({.form = form});
      FAIL("taken: " << word);
    } catch (const UsageError& error) {
      INFO(error.what());
      CHECK(std::string(error.what()).find(word) != std::string::npos);
    }
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  refused({.multiplier = 0}, "multiplier");
  refused({.angle = nan}, "angle");
  refused({.least_angle = 2, .most_angle = 1}, "least_angle");
  refused({.cosine_limit = 1}, "cosine_limit");
  refused({.blend = -1}, "blend");
  refused({.norm_low = 5, .norm_high = 5}, "norm_low");
  refused({.margin_low = 0.9, .margin_high = 0.8}, "margin_low");
  refused({.momentum = 2}, "momentum");
  refused({.centres = 0}, "centres");
  refused({.angle = 0.5, .norm_margin = NormMargin::magface}, "follows from the norm");
  refused({.negatives = NegativeRule::curricular, .norm_margin = NormMargin::adaface}, "both");
  CHECK_THROWS_AS(SoftmaxCrossEntropy({.sample_scale = true, .form = {.norm_margin = NormMargin::adaface}}), UsageError);
  CHECK_THROWS_AS(BinaryCrossEntropy({.balance = 1}), UsageError);
  CHECK_THROWS_AS(BinaryCrossEntropy({.form = {.norm_margin = NormMargin::magface}}), UsageError);
}
