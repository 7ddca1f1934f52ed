// Horizontal flip as a layer: kernels/flip.h has the formula.
//
//   Value mirrored = net.add("mirror", Flip(), {image});
#pragma once

#include <amnet/kernels/flip.h>
#include <amnet/layers/layer.h>

namespace amnet {

/// Input and output (N,H,W,C).
class Flip final : public Layer {
 public:
  std::string_view type() const override { return "flip"; }
  std::optional<Options> options() const override { return Options(); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    expect_rank(inputs[0], 4, "(N,H,W,C)");
    return {.outputs = {inputs[0]}, .saved = {}};
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) { flip_forward(device, args.inputs[0], args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context, [&](auto& device) { flip_backward(device, args.output_gradients[0], args.input_gradients[0]); });
  }
};

}  // namespace amnet
