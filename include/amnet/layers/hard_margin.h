// Target logits pulled towards the mean of the others: kernels/hard_margin.h has the formula.
//
//   Value moved = net.add("margin", HardMargin({.positive_weight = 0.8}), {cosines, labels});
#pragma once

#include <amnet/kernels/hard_margin.h>
#include <amnet/layers/layer.h>

#include <cmath>

namespace amnet {

struct HardMarginOptions {
  double positive_weight = 0.5;  ///< w: how much of the target's own logit stays
  bool margin_output = false;    ///< a second output (1): the mean margin
  /// backward as in the reference code, which passes the gradient on
  bool reference = false;

  template <class Fields>
  void fields(Fields& fields) {
    fields("positive_weight", positive_weight);
    fields("margin_output", margin_output);
    fields("reference", reference);
  }
};

/// Inputs: logits (N,classes) of two classes or more, labels i64 (N); output (N,classes) and, if
/// asked for, the mean over the samples of what was added, times 180 / pi (1). Phase::test changes
/// nothing, and its mean is 0. Caffe's LabelSpecificHardMargin (happynear/caffe-windows, branch
/// experiment, layers/label_specific_hard_margin.cu), whose backward is the identity: `reference`.
class HardMargin final : public Layer {
 public:
  explicit HardMargin(HardMarginOptions options = {}) : options_(options) {
    require(std::isfinite(options.positive_weight), "[hard_margin] expected a finite positive_weight but got {}.", options.positive_weight);
  }

  std::string_view type() const override { return "hard_margin"; }
  std::optional<Options> options() const override { return options_of(options_); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 2);
    expect_rank(inputs[0], 2, "(N,classes)");
    expect_labels(inputs[1], inputs[0].shape[0]);
    require(inputs[0].shape[1] >= 2, "[hard_margin] expected two classes or more but got {}.", inputs[0].shape);
    LayerPlan plan{.outputs = {inputs[0]}};
    if (options_.margin_output) plan.outputs.push_back({Shape{1}, inputs[0].dtype, false});
    return plan;
  }

  bool sample_wise() const override { return !options_.margin_output; }

  void forward(const ForwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) {
      hard_margin_forward(cpu, weight(args.context), args.inputs[0], args.inputs[1], args.outputs[0],
                          options_.margin_output ? args.outputs[1] : Tensor());
    });
  }

  void backward(const BackwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) {
      const double weight = options_.reference ? 1 : this->weight(args.context);
      hard_margin_backward(cpu, weight, args.inputs[1], args.output_gradients[0],
                           options_.margin_output ? args.output_gradients[1] : Tensor(), args.input_gradients[0]);
    });
  }

 private:
  double weight(const Context& context) const { return context.phase == Phase::test ? 1 : options_.positive_weight; }

  HardMarginOptions options_;
};

}  // namespace amnet
