// Softmax cross-entropy as a layer, plain or with an additive margin:
// kernels/softmax_cross_entropy.h has the formula.
//
//   Value plain = net.add("loss", SoftmaxCrossEntropy(), {logits, labels});
//   Value am = net.add("am_loss", SoftmaxCrossEntropy({.scale = 30, .margin = 0.35}), {cosines, labels});
//   Value scaled = net.add("scaled_loss", SoftmaxCrossEntropy({.margin = 0.35, .sample_scale = true}), {cosines, labels, norm});
#pragma once

#include <amnet/kernels/fill.h>
#include <amnet/kernels/softmax_cross_entropy.h>
#include <amnet/layers/layer.h>

#include <algorithm>
#include <cmath>
#include <optional>

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

struct SoftmaxCrossEntropyOptions {
  double scale = 1;                             ///< s, where there is no sample_scale
  double margin = 0;                            ///< m, in training; Phase::test has none
  MarginRule rule = MarginRule::always;         ///< where the margin is subtracted
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
  }
};

/// Inputs: logits or cosines (...,classes), labels i64 with one for each row of classes and, if
/// asked for, sample_scale and the weights, with one value for each row. Output: the loss (1), the
/// mean over the rows unless the options say otherwise. forward throws DataError for a label out of
/// range, naming it and its row.
class SoftmaxCrossEntropy final : public Layer {
 public:
  explicit SoftmaxCrossEntropy(SoftmaxCrossEntropyOptions options = {}) : options_(options) {
    require(std::isfinite(options.scale) && std::isfinite(options.margin),
            "[softmax_cross_entropy] expected a finite scale and margin but got {} and {}.", options.scale, options.margin);
    require(options.probability_floor >= 0 && options.probability_floor < 1,
            "[softmax_cross_entropy] expected a probability_floor in [0, 1) but got {}.", options.probability_floor);
  }

  std::string_view type() const override { return "softmax_cross_entropy"; }
  std::optional<Options> options() const override { return options_of(options_); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 2 + (options_.sample_scale ? 1 : 0) + (options_.sample_weights ? 1 : 0));
    const auto& [shape, dtype, per_sample] = inputs[0];
    require(shape.rank() >= 2 && shape[shape.rank() - 1] >= 1, "[softmax_cross_entropy] expected an input (N,classes) but got {}.", shape);
    const std::int64_t rows = shape.count() / shape[shape.rank() - 1];
    require(inputs[1].dtype == DType::i64 && inputs[1].shape.count() == rows,
            "[softmax_cross_entropy] expected labels i64 ({}) but got {} {}.", rows, name_of(inputs[1].dtype), inputs[1].shape);
    const auto expect_values = [&, &dtype = dtype](const TensorSpec& input, std::string_view name) {
      require(input.dtype == dtype && input.shape.count() == rows, "[softmax_cross_entropy] expected {} {} ({},1) but got {} {}.", name,
              name_of(dtype), rows, name_of(input.dtype), input.shape);
    };
    if (options_.sample_scale) expect_values(inputs[2], "a sample_scale");
    if (options_.sample_weights) expect_values(inputs.back(), "sample_weights");
    LayerPlan plan{.outputs = {{Shape{1}, dtype, false}}, .saved = {{shape.with(shape.rank() - 1, 2), dtype, per_sample}}};
    if (!divides_by_rows()) plan.saved.push_back({Shape{1}, dtype, false});
    return plan;
  }

  BackwardNeeds needs() const override { return {.overwrites = 0}; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      softmax_cross_entropy_forward(device, margin_at(args.context), in_rows(args.inputs[0]), args.inputs[1], sample_scale(args.inputs),
                                    args.saved[0], args.outputs[0], rows(args.inputs, args.saved));
    });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      Gradient dlogits = args.input_gradients[0];
      if (dlogits) dlogits.tensor = in_rows(dlogits.tensor);
      softmax_cross_entropy_backward(device, margin_at(args.context), in_rows(args.inputs[0]), args.inputs[1], sample_scale(args.inputs),
                                     args.saved[0], args.output_gradients[0], dlogits,
                                     options_.sample_scale ? args.input_gradients[2] : Gradient{}, rows(args.inputs, args.saved));
      if (options_.sample_weights && args.input_gradients.back().write == Write::assign)
        fill(device, args.input_gradients.back().tensor, 0);
    });
  }

 private:
  MarginOptions margin_at(const Context& context) const {
    double margin = options_.schedule ? options_.schedule->margin_at(context.step.number()) : options_.margin;
    if (context.phase == Phase::test) margin = 0;
    return {.scale = options_.scale, .margin = margin, .rule = options_.rule};
  }
  Tensor sample_scale(std::span<const Tensor> inputs) const { return options_.sample_scale ? inputs[2] : Tensor(); }
  static Tensor in_rows(const Tensor& logits) {
    const std::int64_t classes = logits.extent(logits.rank() - 1);
    return logits.rank() == 2 ? logits : logits.reshaped({logits.count() / classes, classes});
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
            .weights = options_.sample_weights ? inputs.back() : Tensor(),
            .divisor = saved.size() > 1 ? saved[1] : Tensor()};
  }

  SoftmaxCrossEntropyOptions options_;
};

}  // namespace amnet
