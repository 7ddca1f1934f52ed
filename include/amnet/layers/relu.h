// ReLU as a layer: kernels/relu.h has the formula.
//
//   Value active = net.add("relu1", Relu(), {conv});
#pragma once

#include <amnet/kernels/relu.h>
#include <amnet/layers/layer.h>

#include <cmath>

namespace amnet {

struct ReluOptions {
  double negative_slope = 0;  ///< of what is below 0: leaky

  template <class Fields>
  void fields(Fields& fields) {
    fields("negative_slope", negative_slope, 0.0);
  }
};

/// Input and output of any one shape.
class Relu final : public Layer {
 public:
  explicit Relu(ReluOptions options = {}) : options_(options) {
    require(std::isfinite(options.negative_slope), "[relu] expected a finite negative_slope but got {}.", options.negative_slope);
  }

  std::string_view type() const override { return "relu"; }
  std::optional<Options> options() const override { return options_of(options_); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    return {.outputs = {inputs[0]}, .saved = {}};
  }

  // With a slope below 0 outputs are positive on both sides, and only the input has the sign.
  BackwardNeeds needs() const override { return {.inputs = folds(), .outputs = !folds()}; }

  bool sample_wise() const override { return true; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) { relu_forward(device, args.inputs[0], args.outputs[0], options_.negative_slope); });
  }

  void backward(const BackwardArgs& args) const override {
    const Tensor& signs = folds() ? args.inputs[0] : args.outputs[0];
    on_device(args.context, [&](auto& device) {
      relu_backward(device, signs, args.output_gradients[0], args.input_gradients[0], options_.negative_slope);
    });
  }

 private:
  bool folds() const { return options_.negative_slope < 0; }

  ReluOptions options_;
};

}  // namespace amnet
