// One binary cross-entropy for each class, SphereFace2's loss, as a layer:
// kernels/binary_cross_entropy.h has the formula.
//
//   Value loss = net.add("loss", BinaryCrossEntropy({.scale = 40, .margin = 0.4}), {cosines, labels});
#pragma once

#include <amnet/kernels/binary_cross_entropy.h>
#include <amnet/layers/layer.h>

namespace amnet {

struct BinaryCrossEntropyOptions {
  double scale = 40;     ///< s
  double margin = 0.4;   ///< m on both sides, in training; Phase::test has none
  double sharpness = 3;  ///< t
  double balance = 0.7;  ///< alpha
  /// a margin of another kind, in training; Phase::test has its centres alone
  MarginForm form = {};
  double factor = 1;  ///< multiplies the loss
  ParameterOptions bias = {.filler = Filler::constant(0), .decay_mult = 0};

  template <class Fields>
  void fields(Fields& fields) {
    fields("scale", scale);
    fields("margin", margin);
    fields("sharpness", sharpness);
    fields("balance", balance);
    fields("form", form, MarginForm());
    fields("factor", factor, 1.0);
    fields("bias", bias);
  }
};

/// Inputs: cosines (N,K classes), labels i64 (N); output: the loss (1). Parameter "bias" (1), one
/// for all classes. forward throws DataError for a label out of range, naming it and its row.
class BinaryCrossEntropy final : public Layer {
 public:
  explicit BinaryCrossEntropy(BinaryCrossEntropyOptions options = {}) : options_(options) { check_binary(binary(Phase::train), type()); }

  std::string_view type() const override { return "binary_cross_entropy"; }
  std::optional<Options> options() const override { return options_of(options_); }

  void build(std::span<const TensorSpec> inputs) override {
    expect_inputs(inputs, 2);
    create(bias_, "bias", {1}, inputs[0].dtype, options_.bias);
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 2);
    const auto& [shape, dtype, per_sample] = inputs[0];
    require(shape.rank() == 2 && shape[1] >= 1 && shape[1] % options_.form.centres == 0,
            "[binary_cross_entropy] expected an input {} but got {}.", logits_text(options_.form.centres), shape);
    expect_labels(inputs[1], shape[0]);
    expect_shape(bias_, {1});
    return {.outputs = {{Shape{1}, dtype, false}}, .saved = {{{shape[0], margin_row_values}, dtype, per_sample}}};
  }

  BackwardNeeds needs() const override { return {.overwrites = 0}; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      binary_cross_entropy_forward(device, binary(args.context.phase), args.inputs[0], args.inputs[1], bias_.value, args.saved[0],
                                   args.outputs[0]);
    });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      binary_cross_entropy_backward(device, binary(args.context.phase), args.inputs[0], args.inputs[1], bias_.value, args.saved[0],
                                    args.output_gradients[0], args.input_gradients[0], args.gradient_of(bias_));
    });
  }

  void visit(const ParameterVisitor& visitor) override { visitor(bias_); }

 private:
  BinaryOptions binary(Phase phase) const {
    BinaryOptions binary{.scale = options_.scale,
                         .margin = options_.margin,
                         .sharpness = options_.sharpness,
                         .balance = options_.balance,
                         .factor = options_.factor,
                         .form = options_.form};
    if (phase == Phase::test) {
      binary.margin = 0;
      binary.form = {.centres = options_.form.centres};
    }
    return binary;
  }

  BinaryCrossEntropyOptions options_;
  Parameter bias_;
};

}  // namespace amnet
