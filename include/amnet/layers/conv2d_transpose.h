// Transposed convolution as a layer, for CPUs alone: kernels/conv2d_transpose.h has the formula.
//
//   Value doubled = net.add("up1", Conv2dTranspose(8, 4, {.stride = 2, .pad = 1}), {features});   // (N,H,W,C) to (N,2H,2W,8)
#pragma once

#include <amnet/kernels/conv2d_transpose.h>
#include <amnet/layers/conv2d.h>

#include <memory>

namespace amnet {

/// Input (N,H,W,C), output (N,OH,OW,outputs); parameters "weight" (C,kh,kw,outputs/groups) and
/// "bias" (outputs). The options are those of the convolution whose data gradient this is.
class Conv2dTranspose final : public Layer {
 public:
  using Stated = Conv2d::Stated;

  /// `outputs`: channels of the output.
  Conv2dTranspose(std::int64_t outputs, Extents kernel, Conv2dOptions options = {}) : stated_{outputs, kernel, options} {}
  /// From a description (model/layer_types.h).
  explicit Conv2dTranspose(const Stated& stated) : stated_(stated) {}

  std::string_view type() const override { return "conv2d_transpose"; }
  std::optional<Options> options() const override { return options_of(stated_); }

  void build(std::span<const TensorSpec> inputs) override {
    const DType dtype = inputs[0].dtype;
    create(weight_, "weight", weight_shape(inputs), dtype, stated_.options.weight);
    weight_.layout = ParameterLayout::convolution;
    if (stated_.options.with_bias) create(bias_, "bias", {stated_.outputs}, dtype, stated_.options.bias);
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_shape(weight_, weight_shape(inputs));
    const auto& [shape, dtype, per_sample] = inputs[0];
    return {.outputs = {{conv2d_transpose_output_shape(geometry(), shape, stated_.outputs), dtype, per_sample}},
            .saved = {},
            .state = std::make_unique<Planned>(shape[0])};
  }

  void forward(const ForwardArgs& args) const override {
    on_cpu(args.context,
           [&](Cpu& cpu) { conv2d_transpose_forward(cpu, geometry(), args.inputs[0], weights(args.state), bias_.value, args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) {
      conv2d_transpose_backward(cpu, geometry(), args.inputs[0], weights(args.state), args.output_gradients[0],
                                {.dx = args.input_gradients[0],
                                 .dw = args.gradient_of(weight_),
                                 .dbias = stated_.options.with_bias ? args.gradient_of(bias_) : Gradient{}});
    });
  }

  bool sample_wise() const override { return true; }

  void visit(const ParameterVisitor& visitor) override {
    visitor(weight_);
    if (stated_.options.with_bias) visitor(bias_);
  }

 private:
  struct Planned final : LayerState {
    explicit Planned(std::int64_t samples) : images(samples) {}
    std::int64_t images;  // the algorithms are chosen for as many
  };

  Conv2dGeometry geometry() const {
    const Conv2dOptions& options = stated_.options;
    return {.kernel = stated_.kernel, .stride = options.stride, .pad = options.pad, .groups = options.groups, .dilation = options.dilation};
  }
  Conv2dWeights weights(const LayerState* state) const { return {weight_.value, nullptr, static_cast<const Planned&>(*state).images}; }
  Shape weight_shape(std::span<const TensorSpec> inputs) const {
    expect_inputs(inputs, 1);
    // throws for a geometry that is not valid
    static_cast<void>(conv2d_transpose_output_shape(geometry(), inputs[0].shape, stated_.outputs));
    return geometry().weight_shape(stated_.outputs, inputs[0].shape[3]);
  }

  Stated stated_;
  Parameter weight_, bias_;
};

}  // namespace amnet
