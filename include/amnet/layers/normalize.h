// L2 normalisation as a layer: kernels/normalize.h has the formula.
//
//   Value unit = net.add("norm", Normalize(), {feature});
#pragma once

#include <amnet/kernels/normalize.h>
#include <amnet/layers/layer.h>

namespace amnet {

struct NormalizeOptions {
  double epsilon = 1e-12;    ///< added to the sum of squares, inside the root
  bool norm_output = false;  ///< a second output with the norms

  template <class Fields>
  void fields(Fields& fields) {
    fields("epsilon", epsilon);
    fields("norm_output", norm_output);
  }
};

/// Input (..., D), output the same with rows of length 1; the norm as second output is (..., 1),
/// and its gradient flows back.
class Normalize final : public Layer {
 public:
  explicit Normalize(NormalizeOptions options = {}) : options_(options) {
    require(options.epsilon >= 0, "[normalize] expected an epsilon >= 0 but got {}.", options.epsilon);
  }

  std::string_view type() const override { return "normalize"; }
  std::optional<Options> options() const override { return options_of(options_); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    const auto& [shape, dtype, per_sample] = inputs[0];
    require(shape.rank() >= 1, "[normalize] expected an input (..., D) but got {}.", shape);
    const TensorSpec norm{shape.with(shape.rank() - 1, 1), exact_dtype(dtype), per_sample};
    if (options_.norm_output) return {.outputs = {inputs[0], norm}, .saved = {}};
    return {.outputs = {inputs[0]}, .saved = {norm}};
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = true}; }

  void forward(const ForwardArgs& args) const override {
    const Tensor& norm = options_.norm_output ? args.outputs[1] : args.saved[0];
    on_device(args.context, [&](auto& device) { normalize_forward(device, args.inputs[0], options_.epsilon, args.outputs[0], norm); });
  }

  void backward(const BackwardArgs& args) const override {
    const Tensor& norm = options_.norm_output ? args.outputs[1] : args.saved[0];
    const Tensor norm_gradient = options_.norm_output ? args.output_gradients[1] : Tensor();
    on_device(args.context, [&](auto& device) {
      normalize_backward(device, args.outputs[0], norm, args.output_gradients[0], norm_gradient, args.input_gradients[0]);
    });
  }

 private:
  NormalizeOptions options_;
};

}  // namespace amnet
