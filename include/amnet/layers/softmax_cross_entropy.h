// Softmax cross-entropy as a layer, plain or with an additive margin:
// kernels/softmax_cross_entropy.h has the formula.
//
//   Value plain = net.add("loss", SoftmaxCrossEntropy(), {logits, labels});
//   Value am = net.add("am_loss", SoftmaxCrossEntropy({.scale = 30, .margin = 0.35}), {cosines, labels});
//   Value scaled = net.add("scaled_loss", SoftmaxCrossEntropy({.margin = 0.35, .sample_scale = true}), {cosines, labels, norm});
#pragma once

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

  template <class Fields>
  void fields(Fields& fields) {
    fields("scale", scale);
    fields("margin", margin);
    fields("rule", rule);
    fields("schedule", schedule);
    fields("sample_scale", sample_scale);
  }
};

/// Inputs: logits or cosines (N,classes), labels i64 (N) and, if asked for, sample_scale (N,1).
/// Output: the mean loss (1). forward throws DataError for a label out of range, naming it and its
/// sample.
class SoftmaxCrossEntropy final : public Layer {
 public:
  explicit SoftmaxCrossEntropy(SoftmaxCrossEntropyOptions options = {}) : options_(options) {
    require(std::isfinite(options.scale) && std::isfinite(options.margin),
            "[softmax_cross_entropy] expected a finite scale and margin but got {} and {}.", options.scale, options.margin);
  }

  std::string_view type() const override { return "softmax_cross_entropy"; }
  std::optional<Options> options() const override { return options_of(options_); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, options_.sample_scale ? 3 : 2);
    expect_rank(inputs[0], 2, "(N,classes)");
    const auto& [shape, dtype, per_sample] = inputs[0];
    require(inputs[1].dtype == DType::i64 && inputs[1].shape.count() == shape[0],
            "[softmax_cross_entropy] expected labels i64 ({}) but got {} {}.", shape[0], name_of(inputs[1].dtype), inputs[1].shape);
    require(!options_.sample_scale || (inputs[2].dtype == dtype && inputs[2].shape.count() == shape[0]),
            "[softmax_cross_entropy] expected a sample_scale {} ({},1) but got {} {}.", name_of(dtype), shape[0],
            name_of(inputs.back().dtype), inputs.back().shape);
    return {.outputs = {{Shape{1}, dtype, false}}, .saved = {{{shape[0], 2}, dtype, per_sample}}};
  }

  BackwardNeeds needs() const override { return {.overwrites = 0}; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      softmax_cross_entropy_forward(device, margin_at(args.context), args.inputs[0], args.inputs[1], sample_scale(args.inputs),
                                    args.saved[0], args.outputs[0]);
    });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      softmax_cross_entropy_backward(device, margin_at(args.context), args.inputs[0], args.inputs[1], sample_scale(args.inputs),
                                     args.saved[0], args.output_gradients[0], args.input_gradients[0],
                                     options_.sample_scale ? args.input_gradients[2] : Gradient{});
    });
  }

 private:
  MarginOptions margin_at(const Context& context) const {
    double margin = options_.schedule ? options_.schedule->margin_at(context.step.number()) : options_.margin;
    if (context.phase == Phase::test) margin = 0;
    return {.scale = options_.scale, .margin = margin, .rule = options_.rule};
  }
  Tensor sample_scale(std::span<const Tensor> inputs) const { return options_.sample_scale ? inputs[2] : Tensor(); }

  SoftmaxCrossEntropyOptions options_;
};

}  // namespace amnet
