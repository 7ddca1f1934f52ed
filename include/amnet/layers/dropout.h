// Dropout as a layer: kernels/dropout.h has the rule. Two dropout layers of one net need different
// streams.
//
//   Value dropped = net.add("drop5", Dropout({.ratio = 0.5, .stream = "drop5"}), {feature});
#pragma once

#include <amnet/kernels/dropout.h>
#include <amnet/layers/layer.h>

namespace amnet {

struct DropoutOptions {
  double ratio = 0.5;              ///< the share that is dropped, in [0, 1)
  std::string stream = "dropout";  ///< keeps this layer's draws apart from those of others

  template <class Fields>
  void fields(Fields& fields) {
    fields("ratio", ratio);
    fields("stream", stream);
  }
};

/// Input and output of any one shape; the identity in Phase::test.
class Dropout final : public Layer {
 public:
  explicit Dropout(DropoutOptions options = {}) : options_(std::move(options)) {
    require(options_.ratio >= 0 && options_.ratio < 1, "[dropout] expected a ratio in [0, 1) but got {}.", options_.ratio);
  }

  std::string_view type() const override { return "dropout"; }
  std::optional<Options> options() const override { return options_of(options_); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    return {.outputs = {inputs[0]}, .saved = {{inputs[0].shape, DType::u8, inputs[0].per_sample}}};
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context,
              [&](auto& device) { dropout_forward(device, draw(args.context), args.inputs[0], args.outputs[0], args.saved[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    const double ratio = draw(args.context).ratio;
    on_device(args.context,
              [&](auto& device) { dropout_backward(device, ratio, args.saved[0], args.output_gradients[0], args.input_gradients[0]); });
  }

 private:
  DropoutDraw draw(const Context& context) const {
    if (context.phase == Phase::test) return {.ratio = 0};
    return {.ratio = options_.ratio, .seed = context.step.seed(), .stream = stream_of(options_.stream), .step = context.step.number()};
  }

  DropoutOptions options_;
};

}  // namespace amnet
