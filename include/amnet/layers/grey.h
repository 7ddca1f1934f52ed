// Grey images as a layer: kernels/grey.h has the formula.
//
//   Value grey = net.add("grey", Grey(), {image});
#pragma once

#include <amnet/kernels/grey.h>
#include <amnet/layers/layer.h>

namespace amnet {

struct GreyOptions {
  ChannelOrder order = ChannelOrder::bgr;  ///< of the input

  template <class Fields>
  void fields(Fields& fields) {
    fields("order", order);
  }
};

/// Input (N,H,W,3), output (N,H,W,1).
class Grey final : public Layer {
 public:
  explicit Grey(GreyOptions options = {}) : options_(options) {}

  std::string_view type() const override { return "grey"; }
  std::optional<Options> options() const override { return options_of(options_); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    expect_rank(inputs[0], 4, "(N,H,W,3)");
    require(inputs[0].shape[3] == 3, "[grey] expected an input (N,H,W,3) but got {}.", inputs[0].shape);
    return {.outputs = {{inputs[0].shape.with(3, 1), inputs[0].dtype, inputs[0].per_sample}}, .saved = {}};
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }
  bool sample_wise() const override { return true; }

  void forward(const ForwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) { grey_forward(cpu, options_.order, args.inputs[0], args.outputs[0]); });
  }
  void backward(const BackwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) { grey_backward(cpu, options_.order, args.output_gradients[0], args.input_gradients[0]); });
  }

 private:
  GreyOptions options_;
};

}  // namespace amnet
