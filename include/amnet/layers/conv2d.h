// Convolution as a layer: kernels/conv2d.h has the formula.
//
//   Value conv = net.add("conv1_1", Conv2d({.outputs = 64, .geometry = {.kernel_h = 3, .kernel_w = 3, .pad_h = 1, .pad_w = 1}}), {image});
#pragma once

#include <amnet/kernels/conv2d.h>
#include <amnet/layers/layer.h>

#include <optional>

namespace amnet {

struct Conv2dLayerOptions {
  std::int64_t outputs = 0;  ///< channels of the output
  Conv2dOptions geometry = {};
  bool with_bias = true;
  ParameterOptions weight = {.filler = Filler::xavier()};
  ParameterOptions bias = {.filler = Filler::constant(0), .lr_mult = 2, .decay_mult = 0};
};

/// Input (N,H,W,C), output (N,OH,OW,outputs); parameters "weight" (outputs,kh,kw,C/groups) and "bias" (outputs).
class Conv2d final : public Layer {
 public:
  explicit Conv2d(Conv2dLayerOptions options) : options_(options) {}

  std::string_view type() const override { return "conv2d"; }

  LayerPlan setup(std::span<const TensorSpec> inputs) override {
    expect_inputs(inputs, 1);
    const auto& [shape, dtype] = inputs[0];
    const Shape output = options_.geometry.output_shape(shape, options_.outputs);
    create(weight_, "weight", options_.geometry.weight_shape(shape[3], options_.outputs), dtype, options_.weight);
    weight_.layout = ParameterLayout::convolution;
    if (options_.with_bias) create(bias_, "bias", {options_.outputs}, dtype, options_.bias);
    input_ = inputs[0];
    return {.outputs = {{output, dtype}}, .saved = {}};
  }

  void forward(const ForwardArgs& args) override {
    on_device(args.context, [&](auto& device) {
      conv2d_forward(device, options_.geometry, args.inputs[0], weights(Pass::forward), {.bias = bias_.value}, args.outputs[0]);
    });
  }

  void backward(const BackwardArgs& args) override {
    on_device(args.context, [&](auto& device) {
      conv2d_backward(device, options_.geometry, args.inputs[0], weights(Pass::backward), {}, args.output_gradients[0],
                      {.dx = args.input_gradients[0], .dw = args.gradient_of(weight_), .dbias = bias_gradient(args)});
    });
  }

  bool sample_wise() const override { return true; }
  void prepare(Context& context, Pass pass) override {
    on_device(context, [&](auto& device) {
      std::optional<Conv2dPrepared>& made = pass == Pass::forward ? prepared_forward_ : prepared_backward_;
      if (!made) made.emplace();
      conv2d_prepare(device, options_.geometry, input_.shape, weight_.value, kernel_pass(pass), *made);
    });
  }
  void forget() override { prepared_forward_ = prepared_backward_ = std::nullopt; }
  std::size_t prepared_bytes(Device& device, Pass pass) const override {
    return on(device, [&](auto& backend) {
      return conv2d_prepared_bytes(backend, options_.geometry, input_.shape, options_.outputs, input_.dtype, kernel_pass(pass));
    });
  }

  // For FusedConv2d, which runs this layer and those behind it in one step.
  const Conv2dOptions& geometry() const { return options_.geometry; }
  const Parameter& weight() const { return weight_; }
  Conv2dWeights weights(Pass pass) const {
    const std::optional<Conv2dPrepared>& made = pass == Pass::forward ? prepared_forward_ : prepared_backward_;
    return {weight_.value, made ? &*made : nullptr};
  }
  /// Its value is undefined without a bias.
  const Parameter& bias() const { return bias_; }
  Gradient bias_gradient(const BackwardArgs& args) const { return options_.with_bias ? args.gradient_of(bias_) : Gradient{}; }

  ScratchBytes kernel_scratch(Device& device, bool training) const override {
    return on(device, [&](auto& backend) {
      return conv2d_scratch(backend, options_.geometry, input_.shape, options_.outputs, input_.dtype, training);
    });
  }

  void visit(const ParameterVisitor& visitor) override {
    visitor(weight_);
    if (options_.with_bias) visitor(bias_);
  }

 private:
  static Conv2dPass kernel_pass(Pass pass) { return pass == Pass::forward ? Conv2dPass::forward : Conv2dPass::data_gradient; }

  Conv2dLayerOptions options_;
  Parameter weight_, bias_;
  TensorSpec input_ = {};  // of the last setup
  std::optional<Conv2dPrepared> prepared_forward_, prepared_backward_;
};

}  // namespace amnet
