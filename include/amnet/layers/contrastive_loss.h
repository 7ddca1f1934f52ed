// The contrastive loss as a layer, for CPUs alone: kernels/contrastive_loss.h has the formula.
//
//   Value loss = net.add("loss", ContrastiveLoss({.margin = 1}), {a, b, labels_of_a, labels_of_b});
//   Value of_flags = net.add("loss2", ContrastiveLoss(), {a, b, similar});
#pragma once

#include <amnet/kernels/contrastive_loss.h>
#include <amnet/layers/layer.h>

#include <cmath>

namespace amnet {

struct ContrastiveLossOptions {
  double margin = 1;    ///< how far apart dissimilar pairs are to be
  bool legacy = false;  ///< a dissimilar pair has max(0, margin - d^2), as Caffe had it first
  /// The gradient of a dissimilar pair is that of the reference code, which divides by d + 1e-4
  /// instead of d (contrastive_loss_layer.cpp).
  bool reference = false;

  template <class Fields>
  void fields(Fields& fields) {
    fields("margin", margin);
    fields("legacy", legacy);
    fields("reference", reference);
  }
};

/// Inputs: features a and b (N, ...) of one shape and labels i64 (N) of both, a pair of one label
/// being similar; or in the place of the labels one flag i64 (N), 0 for a dissimilar pair. Output:
/// the loss (1).
class ContrastiveLoss final : public Layer {
 public:
  explicit ContrastiveLoss(ContrastiveLossOptions options = {}) : options_(options) {
    require(std::isfinite(options.margin), "[contrastive_loss] expected a finite margin but got {}.", options.margin);
  }

  std::string_view type() const override { return "contrastive_loss"; }
  std::optional<Options> options() const override { return options_of(options_); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    require(inputs.size() == 3 || inputs.size() == 4, "[contrastive_loss] expected 3 or 4 inputs but got {}.", inputs.size());
    const TensorSpec &a = inputs[0], &b = inputs[1];
    require(a.shape.rank() >= 1 && a.shape == b.shape && a.dtype == b.dtype && is_floating(a.dtype),
            "[contrastive_loss] expected two inputs (N, ...) of one shape but got {} {} and {} {}.", name_of(a.dtype), a.shape,
            name_of(b.dtype), b.shape);
    for (const TensorSpec& labels : inputs.subspan(2)) {
      require(labels.dtype == DType::i64 && labels.shape.count() == a.shape[0],
              "[contrastive_loss] expected labels i64 ({}) but got {} {}.", a.shape[0], name_of(labels.dtype), labels.shape);
    }
    return {.outputs = {{Shape{1}, a.dtype, false}}, .saved = {}};
  }

  void forward(const ForwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) {
      contrastive_loss_forward(cpu, rule(), args.inputs[0], args.inputs[1], args.inputs[2], other_labels(args.inputs), args.outputs[0]);
    });
  }

  void backward(const BackwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) {
      contrastive_loss_backward(cpu, rule(), args.inputs[0], args.inputs[1], args.inputs[2], other_labels(args.inputs),
                                args.output_gradients[0], args.input_gradients[0], args.input_gradients[1]);
    });
  }

 private:
  ContrastiveRule rule() const { return {.margin = options_.margin, .legacy = options_.legacy, .reference = options_.reference}; }
  static Tensor other_labels(std::span<const Tensor> inputs) { return inputs.size() == 4 ? inputs[3] : Tensor(); }

  ContrastiveLossOptions options_;
};

}  // namespace amnet
