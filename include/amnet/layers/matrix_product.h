// The product of two inputs as a layer: y = x w^T. It is a fully connected layer whose weights are
// computed by the net: kernels/fully_connected.h has the formula.
//
//   Value cosines = net.add("cosines", MatrixProduct(), {features, centers});   // (N,I), (O,I) to (N,O)
#pragma once

#include <amnet/kernels/bias.h>
#include <amnet/kernels/fully_connected.h>
#include <amnet/layers/layer.h>

namespace amnet {

struct MatrixProductOptions {
  bool with_bias = false;
  ParameterOptions bias = {.filler = Filler::constant(0), .lr_mult = 2, .decay_mult = 0};

  template <class Fields>
  void fields(Fields& fields) {
    fields("with_bias", with_bias);
    fields("bias", bias);
  }
};

/// Inputs x (N,I) and w (O,I), output (N,O); parameter "bias" (O). w is exact (f32 where x is
/// bf16).
class MatrixProduct final : public Layer {
 public:
  explicit MatrixProduct(MatrixProductOptions options = {}) : options_(options) {}

  std::string_view type() const override { return "matrix_product"; }
  std::optional<Options> options() const override { return options_of(options_); }

  void build(std::span<const TensorSpec> inputs) override {
    if (options_.with_bias) create(bias_, "bias", {outputs_of(inputs)}, inputs[0].dtype, options_.bias);
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    const std::int64_t outputs = outputs_of(inputs);
    if (options_.with_bias) expect_shape(bias_, {outputs});
    const auto& [shape, dtype, per_sample] = inputs[0];
    return {.outputs = {{{shape[0], outputs}, exact_dtype(dtype), per_sample}}, .saved = {}};
  }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context,
              [&](auto& device) { fully_connected_forward(device, args.inputs[0], args.inputs[1], bias_.value, args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    const Tensor& dy = args.output_gradients[0];
    on_device(args.context, [&](auto& device) {
      fully_connected_backward_data(device, dy, args.inputs[1], args.input_gradients[0]);
      fully_connected_backward_weights(device, args.inputs[0], dy, args.input_gradients[1]);
      if (options_.with_bias) bias_backward(device, dy, args.gradient_of(bias_));
    });
  }

  ScratchBytes kernel_scratch(Device& device, std::span<const TensorSpec> inputs, bool) const override {
    return on(device, [&](auto& backend) {
      return fully_connected_scratch(backend, inputs[0].shape[0], inputs[0].shape[1], inputs[1].shape[0], inputs[0].dtype, false);
    });
  }

  void visit(const ParameterVisitor& visitor) override {
    if (options_.with_bias) visitor(bias_);
  }

 private:
  std::int64_t outputs_of(std::span<const TensorSpec> inputs) const {
    expect_inputs(inputs, 2);
    const TensorSpec &x = inputs[0], &w = inputs[1];
    require(x.shape.rank() == 2 && w.shape.rank() == 2 && x.shape[1] == w.shape[1] && x.shape[1] >= 1 && w.shape[0] >= 1 &&
                w.dtype == exact_dtype(x.dtype),
            "[matrix_product] expected inputs {} (N,I) and {} (O,I) with one I but got {} {} and {} {}.", name_of(x.dtype),
            name_of(exact_dtype(x.dtype)), name_of(x.dtype), x.shape, name_of(w.dtype), w.shape);
    return w.shape[0];
  }

  MatrixProductOptions options_;
  Parameter bias_;
};

}  // namespace amnet
