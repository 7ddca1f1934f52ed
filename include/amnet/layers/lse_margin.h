// Scaled cosines with one margin that follows the batches: kernels/lse_margin.h has the formulas.
//
//   Value scaled = net.add("margin", LseMargin(), {cosines, labels});
//   Value by_norm = net.add("by_norm", LseMargin({.feature_norm = true}), {cosines, labels, norm});
#pragma once

#include <amnet/kernels/fill.h>
#include <amnet/kernels/lse_margin.h>
#include <amnet/layers/layer.h>

#include <optional>

namespace amnet {

struct LseMarginLayerOptions {
  double min_scale = 0;                  ///< forward limits the scale to it
  std::optional<double> max_scale = {};  ///< the same from above
  bool feature_norm = false;             ///< a third input (N,1) takes the place of the scale
  bool statistics = false;               ///< a second output (5)
  bool reference = false;                ///< the reference code's arithmetic
  ParameterOptions scale = {.filler = Filler::constant(30), .lr_mult = 1, .decay_mult = 0};

  template <class Fields>
  void fields(Fields& fields) {
    fields("min_scale", min_scale);
    fields("max_scale", max_scale);
    fields("feature_norm", feature_norm);
    fields("statistics", statistics);
    fields("reference", reference);
    fields("scale", scale);
  }
};

/// Inputs: cosines (N,classes) of two classes or more, labels i64 (N) and, if asked for, the
/// features' norms (N,1); output (N,classes) and, if asked for, the statistics (5) of the kernel,
/// which carry no gradient. Parameter "scale" (1), which forward limits in place; buffer "margin"
/// (1), 0 at the start. Phase::test has no margin and leaves it alone. In backward the margin is a
/// constant.
///
/// Caffe's GlobalLSEMargin (happynear/caffe-windows, layers/global_lse_margin_layer.cu).
/// `reference`: the margin applies and moves in Phase::test too, and the scale's gradient is that
/// of the last micro-batch of a step alone. Where its search for the margin never ends, the mean of
/// the batch's margins is taken (src/kernels/mean_shift.h).
class LseMargin final : public Layer {
 public:
  explicit LseMargin(LseMarginLayerOptions options = {}) : options_(options) {
    require(!options.max_scale || options.min_scale <= *options.max_scale,
            "[lse_margin] expected min_scale <= max_scale but got {} and {}.", options.min_scale, options.max_scale.value_or(0));
  }

  std::string_view type() const override { return "lse_margin"; }
  std::optional<Options> options() const override { return options_of(options_); }

  void build(std::span<const TensorSpec> inputs) override {
    check(inputs);
    create(scale_, "scale", Shape{1}, inputs[0].dtype, options_.scale);
    create(margin_, "margin", Shape{1}, inputs[0].dtype, {});
    margin_.buffer = true;
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    check(inputs);
    expect_shape(scale_, {1});
    const DType dtype = inputs[0].dtype;
    // the margin that was subtracted
    LayerPlan plan{.outputs = {inputs[0]}, .saved = {{Shape{1}, dtype, false}}};
    if (options_.statistics) plan.outputs.push_back({Shape{5}, dtype, false});
    return plan;
  }

  void forward(const ForwardArgs& args) const override {
    LseMarginOptions options{.min_scale = options_.min_scale, .applies = options_.reference || args.context.phase == Phase::train};
    if (options_.max_scale) options.max_scale = *options_.max_scale;
    on_device(args.context, [&](auto& device) {
      lse_margin_forward(device, options, args.inputs[0], args.inputs[1], norms(args.inputs), scale_.value, margin_.value, args.saved[0],
                         args.outputs[0], options_.statistics ? args.outputs[1] : Tensor());
    });
  }

  void backward(const BackwardArgs& args) const override {
    const Tensor& dy = args.output_gradients[0];
    Gradient dscale = args.gradient_of(scale_);
    if (options_.reference && dscale) dscale.write = Write::assign;
    const Gradient dnorms = options_.feature_norm ? args.input_gradients[2] : Gradient{};
    on_device(args.context, [&](auto& device) {
      if (!dy.defined()) {
        for (const Gradient& gradient : {args.input_gradients[0], dscale, dnorms}) zero_gradient(device, gradient);
        return;
      }
      if (options_.feature_norm) zero_gradient(device, dscale);
      lse_margin_backward(device, args.inputs[0], args.inputs[1], norms(args.inputs), scale_.value, args.saved[0], dy,
                          args.input_gradients[0], options_.feature_norm ? Gradient{} : dscale, dnorms);
    });
  }

  void visit(const ParameterVisitor& visitor) override {
    visitor(scale_);
    visitor(margin_);
  }

 private:
  Tensor norms(std::span<const Tensor> inputs) const { return options_.feature_norm ? inputs[2] : Tensor(); }
  void check(std::span<const TensorSpec> inputs) const {
    expect_inputs(inputs, options_.feature_norm ? 3 : 2);
    expect_rank(inputs[0], 2, "(N,classes)");
    const auto& [shape, dtype, per_sample] = inputs[0];
    require(shape[1] >= 2, "[lse_margin] expected two classes or more but got {}.", shape);
    expect_labels(inputs[1], shape[0]);
    require(!options_.feature_norm || (inputs[2].shape.count() == shape[0] && inputs[2].dtype == dtype),
            "[lse_margin] expected norms {} ({},1) but got {} {}.", name_of(dtype), shape[0], name_of(inputs.back().dtype),
            inputs.back().shape);
  }

  LseMarginLayerOptions options_;
  Parameter scale_;
  Parameter margin_;
};

}  // namespace amnet
