// Logistic function as a layer: kernels/sigmoid.h has the formula.
//
//   Value active = net.add("sigmoid1", Sigmoid(), {conv});
#pragma once

#include <amnet/kernels/sigmoid.h>
#include <amnet/layers/layer.h>

namespace amnet {

/// Input and output of any one shape. CPU alone.
class Sigmoid final : public Layer {
 public:
  std::string_view type() const override { return "sigmoid"; }
  std::optional<Options> options() const override { return Options(); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    return {.outputs = {inputs[0]}, .saved = {}};
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = true}; }

  bool sample_wise() const override { return true; }

  void forward(const ForwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) { sigmoid_forward(cpu, args.inputs[0], args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) { sigmoid_backward(cpu, args.outputs[0], args.output_gradients[0], args.input_gradients[0]); });
  }
};

}  // namespace amnet
