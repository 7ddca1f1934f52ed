// Softmax cross-entropy as a layer, plain or with a margin of the family of kernels/margin.h:
// kernels/softmax_cross_entropy.h has the formula.
//
//   Value plain = net.add("loss", SoftmaxCrossEntropy(), {logits, labels});
//   Value am = net.add("am_loss", SoftmaxCrossEntropy({.scale = 30, .margin = 0.35}), {cosines, labels});
//   Value arc = net.add("arc_loss", SoftmaxCrossEntropy({.scale = 64, .form = {.angle = 0.5}}), {cosines, labels});
//   Value scaled = net.add("scaled_loss", SoftmaxCrossEntropy({.margin = 0.35, .sample_scale = true}), {cosines, labels, norm});
#pragma once

#include <amnet/kernels/fill.h>
#include <amnet/kernels/softmax_cross_entropy.h>
#include <amnet/layers/layer.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

namespace amnet {

/// A margin that changes with the step t = step.number + first_step: minus clip(base + (1 + gamma
/// t)^power - 1, min, max), a bias that the reference code adds to the target. Its wo_fn net: base
/// 0, gamma -5e-5, power 1, min -0.4, max 0.
struct MarginSchedule {
  double base = 0;
  double gamma = 0;
  double power = 1;
  double min = 0;
  double max = 0;
  std::int64_t first_step = 0;

  template <class Fields>
  void fields(Fields& fields) {
    fields("base", base);
    fields("gamma", gamma);
    fields("power", power);
    fields("min", min);
    fields("max", max);
    fields("first_step", first_step);
  }

  double margin_at(std::int64_t step) const {
    const double bias = base + std::pow(1 + gamma * static_cast<double>(step + first_step), power) - 1;
    return -std::min(std::max(bias, min), max);
  }
};

/// lambda of a margin that is blended in, at the step t = step.number + first_step + 1: base (1 +
/// gamma t)^-power, at least `least`. SphereFace's: base 1000, gamma 0.12, power 1, least 5.
struct BlendSchedule {
  double base = 1000;
  double gamma = 0.12;
  double power = 1;
  double least = 5;
  std::int64_t first_step = 0;

  template <class Fields>
  void fields(Fields& fields) {
    fields("base", base);
    fields("gamma", gamma);
    fields("power", power);
    fields("least", least);
    fields("first_step", first_step);
  }
  friend bool operator==(const BlendSchedule&, const BlendSchedule&) = default;

  double blend_at(std::int64_t step) const {
    return std::max(base * std::pow(1 + gamma * static_cast<double>(step + first_step + 1), -power), least);
  }
};

/// m1 that grows by `by` after each of these steps: 1 + by (how many of them are below t), t =
/// step.number + 1. SphereFace-R's code for margins whose features are not normalised.
struct MultiplierGrowth {
  double by = 0;
  std::vector<std::int64_t> after = {};

  template <class Fields>
  void fields(Fields& fields) {
    fields("by", by);
    fields("after", after);
  }
  friend bool operator==(const MultiplierGrowth&, const MultiplierGrowth&) = default;

  double multiplier_at(std::int64_t step) const {
    return 1 + by * static_cast<double>(std::ranges::count_if(after, [step](std::int64_t before) { return before < step + 1; }));
  }
};

struct SoftmaxCrossEntropyOptions {
  double scale = 1;                             ///< s, where there is no sample_scale
  double margin = 0;                            ///< m3, in training; Phase::test has none
  MarginRule rule = MarginRule::always;         ///< which targets have the margin
  std::optional<MarginSchedule> schedule = {};  ///< takes the place of `margin`
  /// a third input (N,1) scales the logits of each sample
  bool sample_scale = false;
  /// rows with this label have no loss and no gradient; it need not be a class
  std::optional<std::int64_t> ignore_label = {};
  /// what the sum of the losses is divided by
  LossNormalization normalization = LossNormalization::valid;
  /// a last input, of one constant for each row, multiplies the losses
  bool sample_weights = false;
  /// the smallest probability whose logarithm is taken; the gradient does not know it. The
  /// reference code has the smallest normal float (softmax_loss_layer.cpp), and so no loss above
  /// 87.3365.
  double probability_floor = 0;
  /// the rest of the margin, in training; Phase::test has its centres alone. A margin or a penalty
  /// that follows from the norms makes them the third input.
  MarginForm form = {};
  std::optional<BlendSchedule> blend = {};      ///< takes the place of form.blend
  std::optional<MultiplierGrowth> growth = {};  ///< takes the place of form.multiplier
  double factor = 1;                            ///< multiplies the loss

  template <class Fields>
  void fields(Fields& fields) {
    fields("scale", scale);
    fields("margin", margin);
    fields("rule", rule);
    fields("schedule", schedule);
    fields("sample_scale", sample_scale);
    fields("ignore_label", ignore_label, std::optional<std::int64_t>());
    fields("normalization", normalization, LossNormalization::valid);
    fields("sample_weights", sample_weights, false);
    fields("probability_floor", probability_floor, 0.0);
    fields("form", form, MarginForm());
    fields("blend", blend, std::optional<BlendSchedule>());
    fields("growth", growth, std::optional<MultiplierGrowth>());
    fields("factor", factor, 1.0);
  }
};

/// Inputs: logits or cosines (...,K classes), labels i64 with one for each row and, if asked for,
/// the norms of the features and the weights, with one value for each row. Output: the loss (1),
/// the mean over the rows unless the options say otherwise. Buffers (1), where the form has them:
/// "mean" (curricular's t from 0, or that of adaface's norms from 20) and "deviation" (adaface,
/// from 100), moved by forward in training. forward throws DataError for a label out of range,
/// naming it and its row.
class SoftmaxCrossEntropy final : public Layer {
 public:
  explicit SoftmaxCrossEntropy(SoftmaxCrossEntropyOptions options = {}) : options_(options) {
    check_margin({.scale = options.scale, .margin = options.margin, .rule = options.rule, .form = options.form}, type());
    require(options.probability_floor >= 0 && options.probability_floor < 1,
            "[softmax_cross_entropy] expected a probability_floor in [0, 1) but got {}.", options.probability_floor);
    require(std::isfinite(options.factor), "[softmax_cross_entropy] expected a finite factor but got {}.", options.factor);
    require(!options.sample_scale || !options.form.has_norm_margin(),
            "[softmax_cross_entropy] expected norms that scale the logits or set the margin but got both.");
  }

  std::string_view type() const override { return "softmax_cross_entropy"; }
  std::optional<Options> options() const override { return options_of(options_); }

  void build(std::span<const TensorSpec> inputs) override {
    expect_inputs(inputs, number_of_inputs());
    const auto keep = [&](Parameter& statistic, std::string_view name, double start) {
      create(statistic, name, Shape{1}, inputs[0].dtype, {.filler = Filler::constant(start)});
      statistic.buffer = true;
    };
    const MarginForm& form = options_.form;
    if (form.has_mean()) keep(mean_, "mean", form.has_deviation() ? 20 : 0);
    if (form.has_deviation()) keep(deviation_, "deviation", 100);
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, number_of_inputs());
    const auto& [shape, dtype, per_sample] = inputs[0];
    const std::int64_t columns = shape.rank() >= 2 ? shape[shape.rank() - 1] : 0, centres = options_.form.centres;
    require(columns >= 1 && columns % centres == 0, "[softmax_cross_entropy] expected an input {} but got {}.", logits_text(centres),
            shape);
    const std::int64_t rows = shape.count() / columns;
    require(inputs[1].dtype == DType::i64 && inputs[1].shape.count() == rows,
            "[softmax_cross_entropy] expected labels i64 ({}) but got {} {}.", rows, name_of(inputs[1].dtype), inputs[1].shape);
    const auto expect_values = [&, &dtype = dtype](const TensorSpec& input, std::string_view name) {
      require(input.dtype == dtype && input.shape.count() == rows, "[softmax_cross_entropy] expected {} {} ({},1) but got {} {}.", name,
              name_of(dtype), rows, name_of(input.dtype), input.shape);
    };
    if (has_norms()) expect_values(inputs[2], "norms");
    if (options_.sample_weights) expect_values(inputs.back(), "sample_weights");
    LayerPlan plan{.outputs = {{Shape{1}, dtype, false}}, .saved = {{shape.with(shape.rank() - 1, margin_row_values), dtype, per_sample}}};
    if (!divides_by_rows()) plan.saved.push_back({Shape{1}, dtype, false});
    return plan;
  }

  BackwardNeeds needs() const override { return {.overwrites = 0}; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      softmax_cross_entropy_forward(device, margin_at(args.context), in_rows(args.inputs[0]), args.inputs[1],
                                    margin_inputs(args.context, args.inputs), args.saved[0], args.outputs[0],
                                    rows(args.inputs, args.saved));
    });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      Gradient dlogits = args.input_gradients[0];
      if (dlogits) dlogits.tensor = in_rows(dlogits.tensor);
      softmax_cross_entropy_backward(device, margin_at(args.context), in_rows(args.inputs[0]), args.inputs[1],
                                     margin_inputs(args.context, args.inputs), args.saved[0], args.output_gradients[0], dlogits,
                                     has_norms() ? args.input_gradients[2] : Gradient{}, rows(args.inputs, args.saved));
      if (options_.sample_weights && args.input_gradients.back().write == Write::assign)
        fill(device, args.input_gradients.back().tensor, 0);
    });
  }

  void visit(const ParameterVisitor& visitor) override {
    if (options_.form.has_mean()) visitor(mean_);
    if (options_.form.has_deviation()) visitor(deviation_);
  }

 private:
  bool has_norms() const {
    return options_.sample_scale || options_.form.has_norm_margin() || options_.form.norm_penalty != NormPenalty::none;
  }
  std::size_t number_of_inputs() const {
    return std::size_t{2} + static_cast<std::size_t>(has_norms()) + static_cast<std::size_t>(options_.sample_weights);
  }
  /// Asks for the step only where a schedule depends on it: what differs from step to step cannot
  /// be recorded.
  MarginOptions margin_at(const Context& context) const {
    MarginOptions margin{.scale = options_.scale, .margin = options_.margin, .rule = options_.rule, .form = options_.form};
    if (context.phase == Phase::test) {
      margin.margin = 0;
      margin.form = {.centres = options_.form.centres};
      return margin;
    }
    if (options_.schedule) margin.margin = options_.schedule->margin_at(context.step.number());
    if (options_.blend) margin.form.blend = options_.blend->blend_at(context.step.number());
    if (options_.growth) margin.form.multiplier = options_.growth->multiplier_at(context.step.number());
    return margin;
  }
  MarginInputs margin_inputs(const Context& context, std::span<const Tensor> inputs) const {
    if (context.phase == Phase::test) return {.norms = options_.sample_scale ? inputs[2] : Tensor()};
    return {.norms = has_norms() ? inputs[2] : Tensor(), .mean = mean_.value, .deviation = deviation_.value};
  }
  static Tensor in_rows(const Tensor& logits) {
    const std::int64_t columns = logits.extent(logits.rank() - 1);
    return logits.rank() == 2 ? logits : logits.reshaped({logits.count() / columns, columns});
  }
  bool divides_by_rows() const {
    const LossNormalization by = options_.normalization;
    return by == LossNormalization::full ||
           (by == LossNormalization::valid && !options_.ignore_label.has_value() && !options_.sample_weights);
  }
  LossRows rows(std::span<const Tensor> inputs, std::span<const Tensor> saved) const {
    return {.ignore_label = options_.ignore_label,
            .normalization = options_.normalization,
            .samples = inputs[0].extent(0),
            .probability_floor = options_.probability_floor,
            .factor = options_.factor,
            .weights = options_.sample_weights ? inputs.back() : Tensor(),
            .divisor = saved.size() > 1 ? saved[1] : Tensor()};
  }

  SoftmaxCrossEntropyOptions options_;
  Parameter mean_, deviation_;
};

}  // namespace amnet
