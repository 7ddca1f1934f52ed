// A margin subtracted from the target's logit as a layer of its own: the step of
// kernels/softmax_cross_entropy.h before the scale, for nets that have other layers between margin
// and loss.
//
//   Value moved = net.add("margin", TargetMargin({.margin = 0.35}), {cosines, labels});
#pragma once

#include <amnet/kernels/add.h>
#include <amnet/kernels/fill.h>
#include <amnet/kernels/softmax_cross_entropy.h>
#include <amnet/layers/layer.h>
#include <amnet/layers/softmax_cross_entropy.h>

#include <cmath>
#include <optional>

namespace amnet {

struct TargetMarginOptions {
  double margin = 0;                            ///< m, in training; a negative one is added
  MarginRule rule = MarginRule::always;         ///< where the margin is subtracted
  std::optional<MarginSchedule> schedule = {};  ///< takes the place of `margin`
  bool margin_output = false;                   ///< a second output (1) with -m

  template <class Fields>
  void fields(Fields& fields) {
    fields("margin", margin);
    fields("rule", rule);
    fields("schedule", schedule);
    fields("margin_output", margin_output);
  }
};

/// Inputs (N,classes), labels i64 (N); output (N,classes) and, if asked for, the bias -m (1), which
/// carries no gradient. Phase::test changes nothing, and its bias is 0. Backward passes the
/// gradient on: the derivative is 1 under either rule. Caffe's LabelSpecificAdd with
/// MarginRule::cos_gt_m.
class TargetMargin final : public Layer {
 public:
  explicit TargetMargin(TargetMarginOptions options = {}) : options_(options) {
    require(std::isfinite(options.margin), "[target_margin] expected a finite margin but got {}.", options.margin);
  }

  std::string_view type() const override { return "target_margin"; }
  std::optional<Options> options() const override { return options_of(options_); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 2);
    expect_rank(inputs[0], 2, "(N,classes)");
    expect_labels(inputs[1], inputs[0].shape[0]);
    LayerPlan plan{.outputs = {inputs[0]}};
    if (options_.margin_output) plan.outputs.push_back({Shape{1}, inputs[0].dtype, false});
    return plan;
  }

  BackwardNeeds needs() const override { return {.inputs = false}; }

  bool sample_wise() const override { return !options_.margin_output; }

  void forward(const ForwardArgs& args) const override {
    double margin = options_.schedule ? options_.schedule->margin_at(args.context.step.number()) : options_.margin;
    if (args.context.phase == Phase::test) margin = 0;
    on_device(args.context, [&](auto& device) {
      margin_logits(device, {.margin = margin, .rule = options_.rule}, args.inputs[0], args.inputs[1], {}, args.outputs[0]);
      if (options_.margin_output) fill(device, args.outputs[1], 0 - margin);
    });
  }

  void backward(const BackwardArgs& args) const override {
    const Tensor& dy = args.output_gradients[0];
    const Gradient& dx = args.input_gradients[0];
    on_device(args.context, [&](auto& device) {
      if (dy.defined()) {
        add_backward(device, dy, dx);
      } else {
        zero_gradient(device, dx);
      }
    });
  }

 private:
  TargetMarginOptions options_;
};

}  // namespace amnet
