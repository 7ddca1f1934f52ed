// Convolution, PReLU and, where there is one, the sum that joins a residual block, as one step: y =
// residual + prelu(conv(x)). The layers are not changed and keep their parameters; this runs them
// together, so that the sums of a convolution are completed while they are in registers. It is not
// built by hand: the net builds it when it plans (layers/fusion.h).
//
//   Value active = net.add("relu1", PRelu(), {net.add("conv1", Conv2d(16, 3, {.pad = 1}), {x})});
//   Value joined = net.add("add1", Add(), {x, active});
//   Plan(net, {.keep = {joined}}).operations()[0].layers;   // {"conv1", "relu1", "add1"}: they run as one
#pragma once

#include <amnet/kernels/add.h>
#include <amnet/layers/conv2d.h>
#include <amnet/layers/prelu.h>

namespace amnet {

/// Inputs x (N,H,W,C) and, if it adds, the residual; output (N,OH,OW,O).
class FusedConv2d final : public Layer {
 public:
  /// The layers must outlive this one.
  FusedConv2d(Conv2d& convolution, PRelu& prelu, bool adds) : convolution_(convolution), prelu_(prelu), adds_(adds) {}

  std::string_view type() const override { return adds_ ? "conv2d+prelu+add" : "conv2d+prelu"; }

  void build(std::span<const TensorSpec> inputs) override {
    convolution_.build(inputs.first(1));
    prelu_.build(convolution_.setup(inputs.first(1)).outputs);
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, adds_ ? 2 : 1);
    LayerPlan plan = convolution_.setup(inputs.first(1));
    plan.outputs = prelu_.setup(plan.outputs).outputs;
    require(!adds_ || inputs[1].shape == plan.outputs[0].shape, "[{}] expected a residual {} but got {}.", type(), plan.outputs[0].shape,
            inputs.back().shape);
    plan.for_backward = plan.scratch = plan.outputs;
    return plan;
  }

  BackwardNeeds needs() const override { return {.inputs = true, .outputs = false, .passes_gradient_to = adds_ ? 1 : -1}; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      const Conv2dEpilogue epilogue{.bias = convolution_.bias().value,
                                    .slope = prelu_.slope().value,
                                    .residual = adds_ ? args.inputs[1] : Tensor{},
                                    .sums = args.for_backward[0]};
      conv2d_forward(device, convolution_.geometry(), args.inputs[0], convolution_.weights(args.state, Pass::forward), epilogue,
                     args.outputs[0]);
    });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      const Tensor& dy = args.output_gradients[0];
      conv2d_backward(device, convolution_.geometry(), args.inputs[0], convolution_.weights(args.state, Pass::backward),
                      {.slope = prelu_.slope().value, .sums = args.for_backward[0], .dz = args.scratch[0]}, dy,
                      {.dx = args.input_gradients[0],
                       .dw = args.gradient_of(convolution_.weight()),
                       .dbias = convolution_.bias_gradient(args),
                       .dslope = args.gradient_of(prelu_.slope())});
      const bool passed_on = adds_ && args.input_gradients[1].tensor.raw() == dy.raw();
      if (adds_ && !passed_on) add_backward(device, dy, args.input_gradients[1]);
    });
  }

  bool sample_wise() const override { return true; }
  void prepare(const PrepareArgs& args) const override { convolution_.prepare(args); }
  std::size_t prepared_bytes(Device& device, Pass pass, std::span<const TensorSpec> inputs) const override {
    return convolution_.prepared_bytes(device, pass, inputs);
  }
  ScratchBytes kernel_scratch(Device& device, std::span<const TensorSpec> inputs, bool training) const override {
    return convolution_.kernel_scratch(device, inputs, training);
  }

  void visit(const ParameterVisitor& visitor) override {
    convolution_.visit(visitor);
    prelu_.visit(visitor);
  }

 private:
  Conv2d& convolution_;
  PRelu& prelu_;
  bool adds_;
};

}  // namespace amnet
