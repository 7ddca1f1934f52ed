// Convolution as a layer: kernels/conv2d.h has the formula.
//
//   Value conv = net.add("conv1_1", Conv2d(64, 3, {.stride = 2, .pad = 1}), {image});
#pragma once

#include <amnet/kernels/conv2d.h>
#include <amnet/layers/layer.h>
#include <amnet/layers/prepared_forms.h>

#include <memory>

namespace amnet {

struct Conv2dOptions {
  Extents stride = 1;
  Extents pad = 0;          ///< zeros on each side
  std::int64_t groups = 1;  ///< divides the channels of the input and of the output
  bool with_bias = true;
  ParameterOptions weight = {.filler = Filler::xavier()};
  ParameterOptions bias = {.filler = Filler::constant(0), .lr_mult = 2, .decay_mult = 0};
  Extents dilation = 1;  ///< from one tap of the kernel to the next
};

/// Input (N,H,W,C), output (N,OH,OW,outputs); parameters "weight" (outputs,kh,kw,C/groups) and
/// "bias" (outputs).
class Conv2d final : public Layer {
 public:
  /// All options that the layer states.
  struct Stated {
    std::int64_t outputs = 0;
    Extents kernel = 1;
    Conv2dOptions options = {};

    template <class Fields>
    void fields(Fields& fields) {
      fields("outputs", outputs);
      fields("kernel", kernel);
      fields("stride", options.stride);
      fields("pad", options.pad);
      fields("groups", options.groups);
      fields("with_bias", options.with_bias);
      fields("weight", options.weight);
      fields("bias", options.bias);
      fields("dilation", options.dilation, Extents(1));
    }
  };

  /// `outputs`: channels of the output.
  Conv2d(std::int64_t outputs, Extents kernel, Conv2dOptions options = {}) : outputs_(outputs), kernel_(kernel), options_(options) {}
  /// From a description (model/layer_types.h).
  explicit Conv2d(const Stated& stated) : Conv2d(stated.outputs, stated.kernel, stated.options) {}

  std::string_view type() const override { return "conv2d"; }
  std::optional<Options> options() const override { return options_of(Stated{outputs_, kernel_, options_}); }

  void build(std::span<const TensorSpec> inputs) override {
    const DType dtype = inputs[0].dtype;
    create(weight_, "weight", weight_shape(inputs), dtype, options_.weight);
    weight_.layout = ParameterLayout::convolution;
    if (options_.with_bias) create(bias_, "bias", {outputs_}, dtype, options_.bias);
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_shape(weight_, weight_shape(inputs));
    const auto& [shape, dtype, per_sample] = inputs[0];
    return {
        .outputs = {{geometry().output_shape(shape, outputs_), dtype, per_sample}}, .saved = {}, .state = std::make_unique<Planned>(shape)};
  }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      conv2d_forward(device, geometry(), args.inputs[0], weights(args.state, Pass::forward), {.bias = bias_.value}, args.outputs[0]);
    });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      conv2d_backward(device, geometry(), args.inputs[0], weights(args.state, Pass::backward), {}, args.output_gradients[0],
                      {.dx = args.input_gradients[0], .dw = args.gradient_of(weight_), .dbias = bias_gradient(args)});
    });
  }

  bool sample_wise() const override { return true; }
  void prepare(const PrepareArgs& args) const override {
    auto& planned = static_cast<Planned&>(*args.state);
    Form& form = planned.form(args.pass);
    on_device(args.context, [&](auto& device) {
      const Conv2dPass pass = kernel_pass(args.pass);
      if (args.kept != nullptr) {
        const Conv2dForm kind = conv2d_form(device, geometry(), planned.x, outputs_, weight_.value.dtype(), pass);
        form =
            args.kept->of<Conv2dPrepared>(weight_, fmt::format("{} {}", args.pass == Pass::forward ? "forward" : "backward", kind.str()));
        if (!form->is_old(weight_)) return;
      } else if (form == nullptr) {
        form = std::make_shared<Prepared<Conv2dPrepared>>();
      }
      conv2d_prepare(device, geometry(), planned.x, weight_.value, pass, form->value);
      form->is_of(weight_);
    });
  }
  std::size_t prepared_bytes(Device& device, Pass pass, std::span<const TensorSpec> inputs) const override {
    return on(device, [&](auto& backend) {
      return conv2d_prepared_bytes(backend, geometry(), inputs[0].shape, outputs_, inputs[0].dtype, kernel_pass(pass));
    });
  }

  // For FusedConv2d, which runs this layer and those after it in one step.
  Conv2dGeometry geometry() const {
    return {.kernel = kernel_, .stride = options_.stride, .pad = options_.pad, .groups = options_.groups, .dilation = options_.dilation};
  }
  const Parameter& weight() const { return weight_; }
  /// `state`: as setup made it.
  Conv2dWeights weights(const LayerState* state, Pass pass) const {
    const auto& planned = static_cast<const Planned&>(*state);
    const Form& form = pass == Pass::forward ? planned.forward : planned.backward;
    return {weight_.value, form != nullptr ? &form->value : nullptr, planned.x[0]};
  }
  /// Its value is undefined without a bias.
  const Parameter& bias() const { return bias_; }
  Gradient bias_gradient(const BackwardArgs& args) const { return options_.with_bias ? args.gradient_of(bias_) : Gradient{}; }

  ScratchBytes kernel_scratch(Device& device, std::span<const TensorSpec> inputs, bool training) const override {
    return on(device,
              [&](auto& backend) { return conv2d_scratch(backend, geometry(), inputs[0].shape, outputs_, inputs[0].dtype, training); });
  }

  void visit(const ParameterVisitor& visitor) override {
    visitor(weight_);
    if (options_.with_bias) visitor(bias_);
  }

 private:
  using Form = std::shared_ptr<Prepared<Conv2dPrepared>>;
  struct Planned final : LayerState {
    explicit Planned(const Shape& input) : x(input) {}
    Form& form(Pass pass) { return pass == Pass::forward ? forward : backward; }

    Shape x;                 // of the plan: the algorithms are chosen for it
    Form forward, backward;  // what was prepared for the pass, or null
  };

  static Conv2dPass kernel_pass(Pass pass) { return pass == Pass::forward ? Conv2dPass::forward : Conv2dPass::data_gradient; }
  Shape weight_shape(std::span<const TensorSpec> inputs) const {
    expect_inputs(inputs, 1);
    // throws for a geometry that is not valid
    static_cast<void>(geometry().output_shape(inputs[0].shape, outputs_));
    return geometry().weight_shape(inputs[0].shape[3], outputs_);
  }

  std::int64_t outputs_;
  Extents kernel_;
  Conv2dOptions options_;
  Parameter weight_, bias_;
};

}  // namespace amnet
