// Scale and shift as a layer: kernels/scale_shift.h has the formula. A frozen scalar scale is the s
// of a normalised softmax.
//
//   Value scaled = net.add("scale", ScaleShift({.shared = true, .scale = {Filler::constant(30), 0}}), {cosines});
#pragma once

#include <amnet/kernels/scale_shift.h>
#include <amnet/layers/layer.h>

namespace amnet {

struct ScaleShiftOptions {
  bool shared = false;      ///< one scale (and shift) in all instead of one per channel
  bool with_shift = false;  ///< adds the parameter "shift"
  ParameterOptions scale = {.filler = Filler::constant(1)};
  ParameterOptions shift = {.filler = Filler::constant(0)};

  template <class Fields>
  void fields(Fields& fields) {
    fields("shared", shared);
    fields("with_shift", with_shift);
    fields("scale", scale);
    fields("shift", shift);
  }
};

/// Input and output (..., C); parameters "scale" and, if asked for, "shift": (C) or (1).
class ScaleShift final : public Layer {
 public:
  explicit ScaleShift(ScaleShiftOptions options = {}) : options_(options) {}

  std::string_view type() const override { return "scale_shift"; }
  std::optional<Options> options() const override { return options_of(options_); }

  void build(std::span<const TensorSpec> inputs) override {
    const Shape each = each_of(inputs);
    create(scale_, "scale", each, inputs[0].dtype, options_.scale);
    if (options_.with_shift) create(shift_, "shift", each, inputs[0].dtype, options_.shift);
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_shape(scale_, each_of(inputs));
    return {.outputs = {inputs[0]}, .saved = {}};
  }

  // The input is read for the gradient of the scale alone.
  BackwardNeeds needs() const override { return {.inputs = scale_.trainable(), .outputs = false, .overwrites = 0}; }

  bool sample_wise() const override { return true; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context,
              [&](auto& device) { scale_shift_forward(device, args.inputs[0], scale_.value, shift_.value, args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      scale_shift_backward(device, args.inputs[0], scale_.value, args.output_gradients[0], args.input_gradients[0],
                           args.gradient_of(scale_), options_.with_shift ? args.gradient_of(shift_) : Gradient{});
    });
  }

  void visit(const ParameterVisitor& visitor) override {
    visitor(scale_);
    if (options_.with_shift) visitor(shift_);
  }

 private:
  Shape each_of(std::span<const TensorSpec> inputs) const {
    expect_inputs(inputs, 1);
    const Shape& shape = inputs[0].shape;
    require(shape.rank() >= 1, "[scale_shift] expected an input (..., C) but got {}.", shape);
    return {options_.shared ? 1 : shape[shape.rank() - 1]};
  }

  ScaleShiftOptions options_;
  Parameter scale_;
  Parameter shift_;
};

}  // namespace amnet
