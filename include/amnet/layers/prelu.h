// PReLU as a layer: kernels/prelu.h has the formula.
//
//   Value active = net.add("relu1_1", PRelu(), {conv});
#pragma once

#include <amnet/kernels/prelu.h>
#include <amnet/layers/layer.h>

namespace amnet {

struct PReluOptions {
  bool shared = false;  ///< one slope for all channels instead of one each
  ParameterOptions slope = {.filler = Filler::constant(0.25)};

  template <class Fields>
  void fields(Fields& fields) {
    fields("shared", shared);
    fields("slope", slope);
  }
};

/// Input and output (..., C); parameter "slope" (C) or (1), weight-decayed as in the reference
/// code.
class PRelu final : public Layer {
 public:
  explicit PRelu(PReluOptions options = {}) : options_(options) {}

  std::string_view type() const override { return "prelu"; }
  std::optional<Options> options() const override { return options_of(options_); }

  void build(std::span<const TensorSpec> inputs) override { create(slope_, "slope", slopes_of(inputs), inputs[0].dtype, options_.slope); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_shape(slope_, slopes_of(inputs));
    return {.outputs = {inputs[0]}, .saved = {}};
  }

  bool sample_wise() const override { return true; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) { prelu_forward(device, args.inputs[0], slope_.value, args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      prelu_backward(device, args.inputs[0], slope_.value, args.output_gradients[0], args.input_gradients[0], args.gradient_of(slope_));
    });
  }

  void visit(const ParameterVisitor& visitor) override { visitor(slope_); }

  /// For FusedConv2d.
  const Parameter& slope() const { return slope_; }

 private:
  Shape slopes_of(std::span<const TensorSpec> inputs) const {
    expect_inputs(inputs, 1);
    const Shape& shape = inputs[0].shape;
    require(shape.rank() >= 1, "[prelu] expected an input (..., C) but got {}.", shape);
    return {options_.shared ? 1 : shape[shape.rank() - 1]};
  }

  PReluOptions options_;
  Parameter slope_;
};

}  // namespace amnet
