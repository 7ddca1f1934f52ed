// Softmax over the last axis as a layer: kernels/softmax.h has the formula. For a loss,
// SoftmaxCrossEntropy takes the logits themselves.
//
//   Value probabilities = net.add("prob", Softmax(), {logits});
#pragma once

#include <amnet/kernels/softmax.h>
#include <amnet/layers/layer.h>

namespace amnet {

/// Input and output (..., C).
class Softmax final : public Layer {
 public:
  std::string_view type() const override { return "softmax"; }
  std::optional<Options> options() const override { return Options(); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    require(inputs[0].shape.rank() >= 1, "[softmax] expected an input (..., C) but got {}.", inputs[0].shape);
    return {.outputs = {inputs[0]}, .saved = {}};
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = true}; }

  bool sample_wise() const override { return true; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) { softmax_forward(device, args.inputs[0], args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context,
              [&](auto& device) { softmax_backward(device, args.outputs[0], args.output_gradients[0], args.input_gradients[0]); });
  }
};

}  // namespace amnet
