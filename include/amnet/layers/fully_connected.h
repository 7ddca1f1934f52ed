// Fully connected as a layer: kernels/fully_connected.h has the formulas. Its weight rows can be
// normalised, which turns the outputs for a normalised input into cosines; the epsilon is inside
// the root: w / sqrt(sum of w^2 + epsilon).
//
//   Value features = net.add("features", FullyConnected(512), {flat});
#pragma once

#include <amnet/kernels/bias.h>
#include <amnet/kernels/fully_connected.h>
#include <amnet/kernels/normalize.h>
#include <amnet/layers/layer.h>

namespace amnet {

/// How the weight rows are normalised before they are multiplied.
enum class RowNorm : unsigned char {
  none,
  projected,  ///< the gradient passes through the normalisation; the stored weights are left alone
  /// the reference code's rule: every forward renormalises the stored rows, and backward ignores
  /// that
  in_place
};
constexpr std::array<std::string_view, 3> names_of(RowNorm) { return {"none", "projected", "in_place"}; }

struct FullyConnectedOptions {
  bool with_bias = true;
  RowNorm row_norm = RowNorm::none;
  double epsilon = 1e-12;
  ParameterOptions weight = {.filler = Filler::xavier()};
  ParameterOptions bias = {.filler = Filler::constant(0), .lr_mult = 2, .decay_mult = 0};
};

/// Input (N,I), output (N,outputs); parameters "weight" (outputs,I) and "bias" (outputs).
class FullyConnected final : public Layer {
 public:
  /// All options that the layer states.
  struct Stated {
    std::int64_t outputs = 0;
    FullyConnectedOptions options = {};

    template <class Fields>
    void fields(Fields& fields) {
      fields("outputs", outputs);
      fields("with_bias", options.with_bias);
      fields("row_norm", options.row_norm);
      fields("epsilon", options.epsilon);
      fields("weight", options.weight);
      fields("bias", options.bias);
    }
  };

  explicit FullyConnected(std::int64_t outputs, FullyConnectedOptions options = {}) : outputs_(outputs), options_(options) {}
  /// From a description (model/layer_types.h).
  explicit FullyConnected(const Stated& stated) : FullyConnected(stated.outputs, stated.options) {}

  std::string_view type() const override { return "fully_connected"; }
  std::optional<Options> options() const override { return options_of(Stated{outputs_, options_}); }

  void build(std::span<const TensorSpec> inputs) override {
    create(weight_, "weight", weight_shape(inputs), inputs[0].dtype, options_.weight);
    if (options_.with_bias) create(bias_, "bias", {outputs_}, inputs[0].dtype, options_.bias);
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_shape(weight_, weight_shape(inputs));
    const auto& [shape, dtype, per_sample] = inputs[0];
    LayerPlan plan{.outputs = {{{shape[0], outputs_}, exact_dtype(dtype), per_sample}}, .saved = {}};
    // the norm of each row
    if (options_.row_norm != RowNorm::none) plan.saved = {{{outputs_, 1}, exact_dtype(dtype), false}};
    return plan;
  }

  void forward(const ForwardArgs& args) const override {
    const Tensor &x = args.inputs[0], &y = args.outputs[0], &w = weight_.value;
    on_device(args.context, [&](auto& device) {
      if (options_.row_norm == RowNorm::projected) {
        cosine_forward(device, x, w, options_.epsilon, bias_.value, y, args.saved[0]);
        return;
      }
      if (options_.row_norm == RowNorm::in_place) normalize_forward(device, w, options_.epsilon, w, args.saved[0]);
      fully_connected_forward(device, x, w, bias_.value, y);
    });
  }

  void backward(const BackwardArgs& args) const override {
    const Tensor &x = args.inputs[0], &dy = args.output_gradients[0], &w = weight_.value;
    const Gradient &dx = args.input_gradients[0], dweight = args.gradient_of(weight_);
    on_device(args.context, [&](auto& device) {
      if (options_.row_norm == RowNorm::projected) {
        cosine_backward_data(device, dy, w, args.saved[0], dx);
        cosine_backward_weights(device, x, dy, w, args.saved[0], dweight);
      } else {
        fully_connected_backward_data(device, dy, w, dx);
        fully_connected_backward_weights(device, x, dy, dweight);
      }
      if (options_.with_bias) bias_backward(device, dy, args.gradient_of(bias_));
    });
  }

  ScratchBytes kernel_scratch(Device& device, std::span<const TensorSpec> inputs, bool) const override {
    const auto& [shape, dtype, per_sample] = inputs[0];
    return on(device, [&, &shape = shape, &dtype = dtype](auto& backend) {
      return fully_connected_scratch(backend, shape[0], shape[1], outputs_, dtype, options_.row_norm == RowNorm::projected);
    });
  }

  void visit(const ParameterVisitor& visitor) override {
    visitor(weight_);
    if (options_.with_bias) visitor(bias_);
  }

 private:
  Shape weight_shape(std::span<const TensorSpec> inputs) const {
    expect_inputs(inputs, 1);
    const Shape& shape = inputs[0].shape;
    require(shape.rank() == 2, "[fully_connected] expected an input (N,I) but got {}; put a Flatten before it.", shape);
    require(shape[1] >= 1 && outputs_ >= 1, "[fully_connected] expected inputs and outputs >= 1 but got {} and {}.", shape[1], outputs_);
    require(options_.epsilon >= 0, "[fully_connected] expected epsilon >= 0 but got {}.", options_.epsilon);
    return {outputs_, shape[1]};
  }

  std::int64_t outputs_;
  FullyConnectedOptions options_;
  Parameter weight_, bias_;
};

}  // namespace amnet
