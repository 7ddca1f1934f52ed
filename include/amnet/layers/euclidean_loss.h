// The Euclidean loss as a layer, for CPUs alone: kernels/euclidean_loss.h has the formula.
//
//   Value loss = net.add("loss", EuclideanLoss(), {prediction, target});
#pragma once

#include <amnet/kernels/euclidean_loss.h>
#include <amnet/layers/layer.h>

namespace amnet {

/// Inputs a and b (N, ...), of one shape; output: the loss (1).
class EuclideanLoss final : public Layer {
 public:
  std::string_view type() const override { return "euclidean_loss"; }
  std::optional<Options> options() const override { return Options(); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 2);
    const TensorSpec &a = inputs[0], &b = inputs[1];
    require(a.shape.rank() >= 1 && a.shape == b.shape && a.dtype == b.dtype && is_floating(a.dtype),
            "[euclidean_loss] expected two inputs (N, ...) of one shape but got {} {} and {} {}.", name_of(a.dtype), a.shape,
            name_of(b.dtype), b.shape);
    return {.outputs = {{Shape{1}, a.dtype, false}}, .saved = {}};
  }

  void forward(const ForwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) { euclidean_loss_forward(cpu, args.inputs[0], args.inputs[1], args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) {
      euclidean_loss_backward(cpu, args.inputs[0], args.inputs[1], args.output_gradients[0], args.input_gradients[0],
                              args.input_gradients[1]);
    });
  }
};

}  // namespace amnet
