// Target logits and all others rescaled: kernels/target_rescale.h has the formulas.
//
//   Value harder = net.add("rescale", TargetRescale({.positive_weight = 0.9}), {cosines, labels});
#pragma once

#include <amnet/kernels/fill.h>
#include <amnet/kernels/target_rescale.h>
#include <amnet/layers/layer.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace amnet {

/// A weight that changes with the step t = step.number + first_step + 1: base (1 + gamma t)^-power,
/// at least min and at most max, where there are such.
struct RescaleSchedule {
  double base = 0;
  double gamma = 0;
  double power = 1;
  std::optional<double> min = {}, max = {};
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

  double weight_at(std::int64_t step) const {
    double weight = base * std::pow(1 + gamma * static_cast<double>(step + first_step + 1), -power);
    if (min) weight = std::max(weight, *min);
    if (max) weight = std::min(weight, *max);
    return weight;
  }
};

struct TargetRescaleLayerOptions {
  double positive_weight = 1;                    ///< p, of the targets
  double negative_weight = 1;                    ///< n, of all others
  std::optional<RescaleSchedule> schedule = {};  ///< takes the place of positive_weight in training
  bool only_positive = false;                    ///< rescales a target only where it is > 0
  bool keeps_one = false;                        ///< adds 1 - p, so that a target of 1 stays 1
  bool power = false;                            ///< raises to the power p instead of multiplying
  bool in_test = false;                          ///< rescales in Phase::test too
  bool weight_output = false;                    ///< a second output (1): p
  Arithmetic arithmetic = Arithmetic::exact;

  template <class Fields>
  void fields(Fields& fields) {
    fields("positive_weight", positive_weight);
    fields("negative_weight", negative_weight);
    fields("schedule", schedule);
    fields("only_positive", only_positive);
    fields("keeps_one", keeps_one);
    fields("power", power);
    fields("in_test", in_test);
    fields("weight_output", weight_output);
    fields("arithmetic", arithmetic);
  }
};

/// Inputs: logits (N,classes), labels i64 (N); output (N,classes) and, if asked for, the weight of
/// the targets (1), which carries no gradient. Caffe's LabelSpecificRescale
/// (happynear/caffe-windows, layers/label_specific_rescale.cpp and .cu), whose positive_lower_bound
/// and negative_upper_bound have no effect there. Its CPU code is exact; reference_gpu differs in
/// `power`.
class TargetRescale final : public Layer {
 public:
  explicit TargetRescale(TargetRescaleLayerOptions options = {}) : options_(options) {
    require(std::isfinite(options.positive_weight) && std::isfinite(options.negative_weight),
            "[target_rescale] expected finite weights but got {} and {}.", options.positive_weight, options.negative_weight);
  }

  std::string_view type() const override { return "target_rescale"; }
  std::optional<Options> options() const override { return options_of(options_); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 2);
    expect_rank(inputs[0], 2, "(N,classes)");
    expect_labels(inputs[1], inputs[0].shape[0]);
    LayerPlan plan{.outputs = {inputs[0]}};
    if (options_.weight_output) plan.outputs.push_back({Shape{1}, inputs[0].dtype, false});
    return plan;
  }

  bool sample_wise() const override { return !options_.weight_output; }

  void forward(const ForwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) {
      target_rescale_forward(cpu, kernel_options(args.context), args.inputs[0], args.inputs[1], args.outputs[0]);
      if (options_.weight_output) fill(cpu, args.outputs[1], weight(args.context));
    });
  }

  void backward(const BackwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) {
      const Tensor& dy = args.output_gradients[0];
      if (!dy.defined()) return zero_gradient(cpu, args.input_gradients[0]);
      target_rescale_backward(cpu, kernel_options(args.context), args.inputs[0], args.inputs[1], dy, args.input_gradients[0]);
    });
  }

 private:
  double weight(const Context& context) const {
    const bool scheduled = options_.schedule && context.phase == Phase::train;
    return scheduled ? options_.schedule->weight_at(context.step.number()) : options_.positive_weight;
  }
  TargetRescaleOptions kernel_options(const Context& context) const {
    if (context.phase == Phase::test && !options_.in_test) return {};
    return {.positive = weight(context),
            .negative = options_.negative_weight,
            .only_positive = options_.only_positive,
            .keeps_one = options_.keeps_one,
            .power = options_.power,
            .arithmetic = options_.arithmetic};
  }

  TargetRescaleLayerOptions options_;
};

}  // namespace amnet
