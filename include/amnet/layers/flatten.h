// Flatten as a layer: kernels/flatten.h has the order.
//
//   Value row = net.add("flatten", Flatten(), {conv});
#pragma once

#include <amnet/kernels/flatten.h>
#include <amnet/layers/layer.h>

namespace amnet {

/// Input (N,H,W,C), output (N, C*H*W) in C,H,W order; or (N,D) unchanged.
class Flatten final : public Layer {
 public:
  std::string_view type() const override { return "flatten"; }
  std::optional<Options> options() const override { return Options(); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    const auto& [shape, dtype, per_sample] = inputs[0];
    require(shape.rank() == 4 || shape.rank() == 2, "[flatten] expected an input (N,H,W,C) or (N,D) but got {}.", shape);
    return {.outputs = {{Shape{shape[0], shape.count_from(1)}, dtype, per_sample}}, .saved = {}};
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) { flatten_forward(device, args.inputs[0], args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context, [&](auto& device) { flatten_backward(device, args.output_gradients[0], args.input_gradients[0]); });
  }
};

}  // namespace amnet
