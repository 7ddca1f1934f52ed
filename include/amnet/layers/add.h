// Element-wise sum as a layer: it joins the branches of a residual block.
//
//   Value joined = net.add("res1_3", Add(), {shortcut, branch});
#pragma once

#include <amnet/kernels/add.h>
#include <amnet/layers/layer.h>

namespace amnet {

/// Two or more inputs of one shape; the output has it too.
class Add final : public Layer {
 public:
  std::string_view type() const override { return "add"; }
  std::optional<Options> options() const override { return Options(); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    require(inputs.size() >= 2, "[add] expected two or more inputs but got {}.", inputs.size());
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      require(inputs[i].shape == inputs[0].shape && inputs[i].dtype == inputs[0].dtype,
              "[add] expected inputs of one shape but input 0 is {} {} and input {} is {} {}.", name_of(inputs[0].dtype), inputs[0].shape,
              i, name_of(inputs[i].dtype), inputs[i].shape);
    }
    return {.outputs = {inputs[0]}, .saved = {}};
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }

  bool sample_wise() const override { return true; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) { add_forward(device, args.inputs, args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      for (const Gradient& gradient : args.input_gradients) add_backward(device, args.output_gradients[0], gradient);
    });
  }
};

}  // namespace amnet
