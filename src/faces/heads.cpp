#include <amnet/faces/heads.h>
#include <amnet/layers/accuracy.h>
#include <amnet/layers/binary_cross_entropy.h>
#include <amnet/layers/normalize.h>
#include <amnet/layers/scale_shift.h>
#include <amnet/layers/sphere_product.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <initializer_list>
#include <numbers>
#include <string>
#include <type_traits>
#include <vector>

namespace amnet {
namespace {

using enum LossKind;

/// One parameter: which losses have it, with their own values, and its range.
struct Row {
  LossParameter parameter;
  std::function<bool(const HeadOptions&)> given;
  std::function<void(HeadOptions&)> complete;
  std::function<void(const HeadOptions&)> check;
};

template <class T>
struct Own {
  LossKind loss;
  T value;
};

template <class T>
Row parameter_row(std::string_view name, std::optional<T> HeadOptions::*member, std::vector<Own<T>> own, double low = 0, double high = 0) {
  const auto complete = [member, own](HeadOptions& options) {
    for (const Own<T>& one : own) {
      if (one.loss == options.loss && !(options.*member).has_value()) options.*member = one.value;
    }
  };
  std::function<void(const HeadOptions&)> check = [](const HeadOptions&) {};
  if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
    check = [member, name, low, high](const HeadOptions& options) {
      if (!(options.*member).has_value()) return;
      const auto number = static_cast<double>(*(options.*member));
      require(std::isfinite(number) && number >= low && number <= high, ".head.{}: expected a number from {} to {} but got {}.", name, low,
              high, *(options.*member));
    };
  }
  std::vector<LossKind> losses;
  for (const Own<T>& one : own) losses.push_back(one.loss);
  return {{name, losses}, [member](const HeadOptions& options) { return (options.*member).has_value(); }, complete, check};
}

template <class T>
std::vector<Own<T>> all_alike(std::initializer_list<LossKind> losses, T value) {
  std::vector<Own<T>> own;
  for (const LossKind loss : losses) own.push_back({loss, value});
  return own;
}

// The values are those of the papers, or of the authors' code where the paper has none
// (docs/losses.md).
const std::vector<Row>& parameter_rows() {
  using Options = HeadOptions;
  constexpr double half_turn = std::numbers::pi;
  static const std::vector<Row> table = {
      parameter_row<double>("scale", &Options::scale,
                            {{amsoftmax, 30},
                             {normface, 30},
                             {arcface, 64},
                             {combined, 64},
                             {sphereface_r, 60},
                             {sphereface2, 40},
                             {curricularface, 64},
                             {magface, 64},
                             {adaface, 64}},
                            1e-6, 1e6),
      parameter_row<double>("margin", &Options::margin,
                            {{amsoftmax, 0.35}, {arcface, 0.5}, {combined, 0.2}, {sphereface2, 0.4}, {curricularface, 0.5}, {adaface, 0.4}},
                            0, 2),
      parameter_row<double>("angle", &Options::angle, {{combined, 0.3}}, 0, half_turn),
      parameter_row<double>("multiplier", &Options::multiplier, {{combined, 1}, {sphereface, 4}, {sphereface_r, 1.4}}, 1e-3, 10),
      parameter_row<MarginRule>("margin_rule", &Options::margin_rule,
                                all_alike({amsoftmax, arcface, combined, curricularface, magface}, MarginRule::always)),
      parameter_row<PastPi>("past_pi", &Options::past_pi,
                            {{arcface, PastPi::mirrored},
                             {combined, PastPi::mirrored},
                             {curricularface, PastPi::mirrored},
                             {magface, PastPi::mirrored},
                             {adaface, PastPi::clipped}}),
      parameter_row<HeadGradient>(
          "gradient", &Options::gradient,
          all_alike({arcface, combined, sphereface, sphereface_r, sphereface2, curricularface, magface, adaface}, HeadGradient::full)),
      parameter_row<std::int64_t>("centres", &Options::centres, all_alike({amsoftmax, arcface, combined, curricularface}, std::int64_t{1}),
                                  1, 100),
      parameter_row<bool>("learned_scale", &Options::learned_scale, {{normface, true}}),
      parameter_row<SphereFaceR>("version", &Options::version, {{sphereface_r, SphereFaceR::v2}}),
      parameter_row<double>("anneal_base", &Options::anneal_base, {{sphereface, 1000}}, 0, 1e9),
      parameter_row<double>("anneal_gamma", &Options::anneal_gamma, {{sphereface, 0.12}, {amsoftmax, 5e-5}}, 0, 1e6),
      parameter_row<double>("anneal_least", &Options::anneal_least, {{sphereface, 5}}, 0, 1e9),
      parameter_row<double>("norm_low", &Options::norm_low, {{magface, 10}, {adaface, 0.001}}, 1e-9, 1e9),
      parameter_row<double>("norm_high", &Options::norm_high, {{magface, 110}, {adaface, 100}}, 1e-9, 1e9),
      parameter_row<double>("margin_low", &Options::margin_low, {{magface, 0.45}}, 0, half_turn),
      parameter_row<double>("margin_high", &Options::margin_high, {{magface, 0.8}}, 0, half_turn),
      parameter_row<double>("norm_penalty", &Options::norm_penalty, {{magface, 35}}, 0, 1e9),
      parameter_row<double>("concentration", &Options::concentration, {{adaface, 0.333}}, 0, 1e3),
      parameter_row<double>("statistics_momentum", &Options::statistics_momentum, all_alike({curricularface, adaface}, 0.01), 0, 1),
      parameter_row<double>("sharpness", &Options::sharpness, {{sphereface2, 3}}, 1e-3, 100),
      parameter_row<double>("balance", &Options::balance, {{sphereface2, 0.7}}, 1e-6, 1 - 1e-6),
      parameter_row<double>("loss_weight", &Options::loss_weight, all_alike({sphereface_r, sphereface2}, 1.0), 1e-9, 1e9),
  };
  return table;
}

/// "arcface, combined and magface".
std::string text_of(const std::vector<LossKind>& losses) {
  std::string text;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    if (i > 0) text += i + 1 == losses.size() ? " and " : ", ";
    text += name_of(losses[i]);
  }
  return text;
}

/// The margin of a completed head, in the terms of the family.
SoftmaxCrossEntropyOptions softmax_of(const HeadOptions& head) {
  SoftmaxCrossEntropyOptions loss{.scale = head.scale.value_or(1), .margin = head.margin.value_or(0)};
  MarginForm& form = loss.form;
  if (head.margin_rule) loss.rule = *head.margin_rule;
  if (head.past_pi) form.past_pi = *head.past_pi;
  if (head.gradient == HeadGradient::straight_through) form.gradient = MarginGradient::straight_through;
  if (head.multiplier) form.multiplier = *head.multiplier;
  if (head.centres) form.centres = *head.centres;
  if (head.norm_low) form.norm_low = *head.norm_low;
  if (head.norm_high) form.norm_high = *head.norm_high;
  if (head.statistics_momentum) form.momentum = *head.statistics_momentum;
  loss.factor = head.loss_weight.value_or(1);
  switch (head.loss) {
    case amsoftmax:
    case softmax:
    case normface:
    case sphereface2: break;
    case arcface:
    case curricularface:
      form.angle = loss.margin;
      loss.margin = 0;
      if (head.loss == curricularface) form.negatives = NegativeRule::curricular;
      break;
    case combined: form.angle = *head.angle; break;
    case sphereface:
      loss.sample_scale = true;
      loss.blend = BlendSchedule{.base = *head.anneal_base, .gamma = *head.anneal_gamma, .least = *head.anneal_least};
      break;
    case sphereface_r:
      if (head.version == SphereFaceR::v1) form.past_pi = PastPi::clipped;
      if (head.version == SphereFaceR::v2) form.negatives = NegativeRule::divided;
      break;
    case magface:
      form.norm_margin = NormMargin::magface;
      form.margin_low = *head.margin_low;
      form.margin_high = *head.margin_high;
      form.norm_penalty = NormPenalty::magface;
      form.penalty = *head.norm_penalty;
      break;
    case adaface:
      form.norm_margin = NormMargin::adaface;
      form.concentration = *head.concentration;
      break;
  }
  return loss;
}

/// The bias with which the targets' and the others' losses have the same weight where every angle
/// is a right one: SphereFace2, section 3.3, as OpenSphere computes it.
double starting_bias(const HeadOptions& head) {
  const double of_right_angle = 2 * std::pow(0.5, *head.sharpness) - 1;
  const double own = *head.scale * (of_right_angle - *head.margin), others = *head.scale * (of_right_angle + *head.margin);
  const double z = *head.balance / ((1 - *head.balance) * std::max(1.0, static_cast<double>(head.classes - 1)));
  return std::log(2 * z) - others - std::log(1 - z + std::sqrt((1 - z) * (1 - z) + 4 * z * std::exp(own - others)));
}

Value cosine_logits(Net& net, Value features, const HeadOptions& head) {
  return net.add(
      "fc6", FullyConnected(head.classes * head.centres.value_or(1), {.with_bias = false, .row_norm = head.rows, .epsilon = head.epsilon}),
      {features});
}

}  // namespace

std::span<const LossParameter> loss_parameters() {
  static const std::vector<LossParameter> parameters = [] {
    std::vector<LossParameter> all;
    for (const Row& row : parameter_rows()) all.push_back(row.parameter);
    return all;
  }();
  return parameters;
}

HeadOptions completed(const HeadOptions& options) {
  require(options.classes >= 1, "[head] expected at least 1 class but got {}.", options.classes);
  require(options.epsilon >= 0, "[head] expected an epsilon >= 0 but got {}.", options.epsilon);
  require(options.feature_norm || options.loss == amsoftmax, ".head.feature_norm: only the loss amsoftmax can be without it, and it is {}.",
          name_of(options.loss));
  HeadOptions head = options;
  for (const Row& row : parameter_rows()) {
    const auto& [name, losses] = row.parameter;
    require(!row.given(options) || std::ranges::find(losses, options.loss) != losses.end(),
            ".head.{}: is a parameter of {} and not of the loss {}; leave it out, or take another .head.loss.", name, text_of(losses),
            name_of(options.loss));
    row.check(options);
    row.complete(head);
  }
  if (head.loss == amsoftmax && head.feature_norm) {
    require(!options.anneal_gamma,
            ".head.anneal_gamma: with .head.feature_norm amsoftmax has its whole margin from the first step; leave one of the two out.");
    head.anneal_gamma.reset();
  }
  require(!head.norm_low || *head.norm_low < *head.norm_high,
          ".head.norm_low, .head.norm_high: expected the first below the second but got {} and {}.", head.norm_low.value_or(0),
          head.norm_high.value_or(0));
  require(!head.margin_low || *head.margin_low <= *head.margin_high,
          ".head.margin_low, .head.margin_high: expected the first not above the second but got {} and {}.", head.margin_low.value_or(0),
          head.margin_high.value_or(0));
  require(head.gradient != HeadGradient::reference || head.loss == sphereface,
          ".head.gradient: reference is a rule of the loss sphereface, and it is {}; take full or straight_through.", name_of(head.loss));
  if (head.gradient == HeadGradient::reference) {
    const double m = *head.multiplier;
    require(m == 1 || m == 2 || m == 3 || m == 4, ".head.multiplier: the reference code has 1, 2, 3 or 4 but got {}.", m);
  }
  return head;
}

Head add_head(Net& net, Value features, Value labels, const HeadOptions& options) {
  const HeadOptions head = completed(options);
  Head added;
  if (head.loss == softmax) {
    added.logits = net.add("fc6", FullyConnected(head.classes), {features});
    added.loss = net.add("loss", SoftmaxCrossEntropy(), {added.logits, labels});
  } else if (head.gradient == HeadGradient::reference) {
    added.logits = net.add("fc6",
                           SphereProduct(head.classes, {.multiplier = static_cast<std::int64_t>(*head.multiplier),
                                                        .base = *head.anneal_base,
                                                        .gamma = *head.anneal_gamma,
                                                        .lambda_min = *head.anneal_least,
                                                        .reference = true}),
                           {features, labels});
    added.loss = net.add("loss", SoftmaxCrossEntropy(), {added.logits, labels});
  } else {
    SoftmaxCrossEntropyOptions loss = softmax_of(head);
    // The schedule of the reference code's face_train_test_wo_fn.prototxt, where gamma is 5e-5.
    if (!head.feature_norm) {
      loss.sample_scale = true;
      loss.scale = 1;
      loss.margin = 0;
      loss.schedule = MarginSchedule{.base = 0, .gamma = -*head.anneal_gamma, .power = 1, .min = -*head.margin, .max = 0};
    }
    const bool reads_norms = loss.sample_scale || loss.form.has_norm_margin() || loss.form.norm_penalty != NormPenalty::none;
    const Value unit = net.add("norm1", Normalize({.epsilon = head.epsilon, .norm_output = reads_norms}), {features});
    Value scaled = unit;
    if (head.learned_scale.value_or(false)) {
      // One learned scale, of the features instead of their cosines: s (u w) = (s u) w, and its
      // gradient is computed from a small tensor.
      ScaleShiftOptions scale{.shared = true, .with_shift = false};
      scale.scale = {.filler = Filler::constant(loss.scale), .lr_mult = 1, .decay_mult = 0};
      scaled = net.add("scale", ScaleShift(scale), {unit});
      loss.scale = 1;
    }
    added.logits = cosine_logits(net, scaled, head);
    std::vector<Value> inputs = {added.logits, labels};
    if (reads_norms) inputs.push_back(net.output(unit, 1));
    if (head.loss == sphereface2) {
      BinaryCrossEntropyOptions binary{
          .scale = *head.scale, .margin = *head.margin, .sharpness = *head.sharpness, .balance = *head.balance, .form = loss.form};
      binary.factor = loss.factor;
      binary.bias.filler = Filler::constant(starting_bias(head));
      added.loss = net.add("loss", BinaryCrossEntropy(binary), inputs);
    } else {
      added.loss = net.add("loss", SoftmaxCrossEntropy(loss), inputs);
    }
  }
  added.accuracy = net.add("accuracy", Accuracy({.centres = head.centres.value_or(1)}), {added.logits, labels});
  return added;
}

Head add_head(Model& model, const HeadOptions& options) {
  const Value features = model.embedding();
  const Head head = add_head(model.net, features, model.net.input("labels", {1}, DType::i64), options);
  model.roles.labels = "labels";
  model.roles.loss = "loss";
  model.roles.metrics.push_back({.name = "accuracy", .value = "accuracy"});
  model.roles.class_weights = "fc6.weight";
  model.roles.centres = options.centres.value_or(1);
  return head;
}

}  // namespace amnet
