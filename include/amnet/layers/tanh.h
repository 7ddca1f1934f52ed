// Hyperbolic tangent as a layer: kernels/tanh.h has the formula.
//
//   Value active = net.add("tanh1", Tanh(), {conv});
#pragma once

#include <amnet/kernels/tanh.h>
#include <amnet/layers/layer.h>

namespace amnet {

/// Input and output of any one shape. CPU alone.
class Tanh final : public Layer {
 public:
  std::string_view type() const override { return "tanh"; }
  std::optional<Options> options() const override { return Options(); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    return {.outputs = {inputs[0]}, .saved = {}};
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = true}; }

  bool sample_wise() const override { return true; }

  void forward(const ForwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) { tanh_forward(cpu, args.inputs[0], args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) { tanh_backward(cpu, args.outputs[0], args.output_gradients[0], args.input_gradients[0]); });
  }
};

}  // namespace amnet
