// Normalisation of rows as a layer, to L2 or L1 norm 1: kernels/normalize.h has the formula.
//
//   Value unit = net.add("norm", Normalize(), {feature});
#pragma once

#include <amnet/kernels/normalize.h>
#include <amnet/layers/layer.h>

namespace amnet {

struct NormalizeOptions {
  /// added to the sum of squares, inside the root, or to the sum of absolute values
  double epsilon = 1e-12;
  bool norm_output = false;      ///< a second output with the norms
  NormKind kind = NormKind::l2;  ///< l1 is for CPUs alone
  bool norm_gradient = true;     ///< whether the gradient of the norms flows back, or is dropped
  /// Backward does not divide the output's gradient by the norm. Not the derivative: the reference
  /// code's fix_gradient, which its GPU code alone has (normalize_layer.cu).
  bool fix_gradient = false;

  template <class Fields>
  void fields(Fields& fields) {
    fields("epsilon", epsilon);
    fields("norm_output", norm_output);
    fields("kind", kind, NormKind::l2);
    fields("norm_gradient", norm_gradient, true);
    fields("fix_gradient", fix_gradient, false);
  }
};

/// Input (..., D), output the same with rows of norm 1; the norm as second output is (..., 1).
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
    if (options_.kind == NormKind::l1) {
      on_cpu(args.context, [&](Cpu& cpu) { l1_normalize_forward(cpu, args.inputs[0], options_.epsilon, args.outputs[0], norm); });
      return;
    }
    on_device(args.context, [&](auto& device) { normalize_forward(device, args.inputs[0], options_.epsilon, args.outputs[0], norm); });
  }

  void backward(const BackwardArgs& args) const override {
    const Tensor& norm = options_.norm_output ? args.outputs[1] : args.saved[0];
    const Tensor &y = args.outputs[0], &dy = args.output_gradients[0];
    const Tensor dnorm = options_.norm_output && options_.norm_gradient ? args.output_gradients[1] : Tensor();
    const Gradient& dx = args.input_gradients[0];
    if (options_.kind == NormKind::l1) {
      on_cpu(args.context, [&](Cpu& cpu) { l1_normalize_backward(cpu, y, norm, dy, dnorm, dx, options_.fix_gradient); });
      return;
    }
    on_device(args.context, [&](auto& device) { normalize_backward(device, y, norm, dy, dnorm, dx, options_.fix_gradient); });
  }

 private:
  NormalizeOptions options_;
};

}  // namespace amnet
