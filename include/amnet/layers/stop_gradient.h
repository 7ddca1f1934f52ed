// The identity through which no gradient passes: what was computed before it is a constant for what
// comes behind it.
//
//   Value fixed = net.add("fixed", StopGradient(), {feature});
#pragma once

#include <amnet/kernels/transfer.h>
#include <amnet/layers/layer.h>

namespace amnet {

/// Input and output of any one shape and dtype.
class StopGradient final : public Layer {
 public:
  std::string_view type() const override { return "stop_gradient"; }
  std::optional<Options> options() const override { return Options(); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    return {.outputs = {inputs[0]}, .saved = {}};
  }

  bool differentiable() const override { return false; }
  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }

  bool sample_wise() const override { return true; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) { copy(device, args.inputs[0], args.outputs[0]); });
  }

  void backward(const BackwardArgs&) const override { require(false, "[stop_gradient] has no gradient."); }
};

}  // namespace amnet
