// ReLU as a layer: kernels/relu.h has the formula.
//
//   Value active = net.add("relu1", Relu(), {conv});
#pragma once

#include <amnet/kernels/relu.h>
#include <amnet/layers/layer.h>

namespace amnet {

/// Input and output of any one shape.
class Relu final : public Layer {
 public:
  std::string_view type() const override { return "relu"; }
  std::optional<Options> options() const override { return Options(); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    return {.outputs = {inputs[0]}, .saved = {}};
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = true}; }

  bool sample_wise() const override { return true; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) { relu_forward(device, args.inputs[0], args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context,
              [&](auto& device) { relu_backward(device, args.outputs[0], args.output_gradients[0], args.input_gradients[0]); });
  }
};

}  // namespace amnet
