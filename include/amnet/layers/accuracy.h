// Accuracy as a layer: kernels/accuracy.h has the rule. It works in both phases, and no gradient
// passes through it.
//
//   Value accuracy = net.add("accuracy", Accuracy(), {logits, labels});
#pragma once

#include <amnet/kernels/accuracy.h>
#include <amnet/layers/layer.h>

namespace amnet {

/// Inputs: logits (N,classes) and labels i64 (N). Output: the share of samples that are right (1).
class Accuracy final : public Layer {
 public:
  std::string_view type() const override { return "accuracy"; }
  std::optional<Options> options() const override { return Options(); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 2);
    expect_rank(inputs[0], 2, "(N,classes)");
    require(inputs[1].dtype == DType::i64 && inputs[1].shape.count() == inputs[0].shape[0],
            "[accuracy] expected labels i64 ({}) but got {} {}.", inputs[0].shape[0], name_of(inputs[1].dtype), inputs[1].shape);
    return {.outputs = {{Shape{1}, inputs[0].dtype, false}}, .saved = {}};
  }

  bool differentiable() const override { return false; }
  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) { accuracy_forward(device, args.inputs[0], args.inputs[1], args.outputs[0]); });
  }

  void backward(const BackwardArgs&) const override { require(false, "[accuracy] has no gradient; do not make it part of a loss."); }
};

}  // namespace amnet
