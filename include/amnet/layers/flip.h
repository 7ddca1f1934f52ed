// Flip as a layer: kernels/flip.h has the formula.
//
//   Value mirrored = net.add("mirror", Flip(), {image});
#pragma once

#include <amnet/kernels/flip.h>
#include <amnet/layers/layer.h>

namespace amnet {

struct FlipOptions {
  bool width = true;    ///< columns are reversed
  bool height = false;  ///< lines are reversed

  template <class Fields>
  void fields(Fields& fields) {
    fields("width", width, true);
    fields("height", height, false);
  }
};

/// Input and output (N,H,W,C).
class Flip final : public Layer {
 public:
  explicit Flip(FlipOptions options = {}) : options_(options) {}

  std::string_view type() const override { return "flip"; }
  std::optional<Options> options() const override { return options_of(options_); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    expect_rank(inputs[0], 4, "(N,H,W,C)");
    return {.outputs = {inputs[0]}, .saved = {}};
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) { flip_forward(device, args.inputs[0], args.outputs[0], axes()); });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context, [&](auto& device) { flip_backward(device, args.output_gradients[0], args.input_gradients[0], axes()); });
  }

 private:
  FlipAxes axes() const { return {.width = options_.width, .height = options_.height}; }

  FlipOptions options_;
};

}  // namespace amnet
