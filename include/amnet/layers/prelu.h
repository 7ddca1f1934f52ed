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
};

/// Input and output (..., C); parameter "slope" (C) or (1), weight-decayed as in the seed.
class PRelu final : public Layer {
 public:
  explicit PRelu(PReluOptions options = {}) : options_(options) {}

  std::string_view type() const override { return "prelu"; }

  LayerPlan setup(std::span<const TensorSpec> inputs) override {
    expect_inputs(inputs, 1);
    const auto& [shape, dtype] = inputs[0];
    require(shape.rank() >= 1, "[prelu] expected an input (..., C) but got {}.", shape);
    create(slope_, "slope", Shape{options_.shared ? 1 : shape[shape.rank() - 1]}, dtype, options_.slope);
    return {.outputs = {inputs[0]}, .saved = {}};
  }

  bool sample_wise() const override { return true; }

  void forward(const ForwardArgs& args) override {
    on_device(args.context, [&](auto& device) { prelu_forward(device, args.inputs[0], slope_.value, args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) override {
    on_device(args.context, [&](auto& device) {
      prelu_backward(device, args.inputs[0], slope_.value, args.output_gradients[0], args.input_gradients[0], args.gradient_of(slope_));
    });
  }

  void visit(const ParameterVisitor& visitor) override { visitor(slope_); }

  /// For FusedConv2d.
  const Parameter& slope() const { return slope_; }

 private:
  PReluOptions options_;
  Parameter slope_;
};

}  // namespace amnet
