// The contrastive loss between samples and one proxy of each class as a layer, for CPUs alone:
// kernels/proxy_contrastive_loss.h has the formula.
//
//   Value loss = net.add("loss", ProxyContrastiveLoss({.negative_margin = 1.2}), {distances, labels});
#pragma once

#include <amnet/kernels/fill.h>
#include <amnet/kernels/proxy_contrastive_loss.h>
#include <amnet/layers/layer.h>

#include <algorithm>
#include <cmath>

namespace amnet {

struct ProxyContrastiveLossOptions {
  double positive_margin = 0, negative_margin = 1;
  double positive_weight = 1, negative_weight = 1;
  std::optional<double> normalize_negative = {};  ///< how long the gradient of all pushes may be
  double positive_outlier_threshold = 4;
  bool max_negative_only = false, max_positive_only = false;
  bool positive_first = false;
  double positive_upper_bound = 1;
  bool exp_negative_weight = false;
  /// The negative margin is that of the options plus a moving average of the mean pull, at most
  /// max_negative_margin: the buffer "intra_mae", <- 0.99 of itself + 0.01 of the batch's, in
  /// training.
  bool add_intra_mae = false;
  double max_negative_margin = 1.2;
  /// a second output: mean pull, mean push and, with add_intra_mae, the average
  bool distances = false;
  /// where the reference code differs, its rule: kernels/proxy_contrastive_loss.h
  bool reference = false;

  template <class Fields>
  void fields(Fields& fields) {
    fields("positive_margin", positive_margin);
    fields("negative_margin", negative_margin);
    fields("positive_weight", positive_weight);
    fields("negative_weight", negative_weight);
    fields("normalize_negative", normalize_negative);
    fields("positive_outlier_threshold", positive_outlier_threshold);
    fields("max_negative_only", max_negative_only);
    fields("max_positive_only", max_positive_only);
    fields("positive_first", positive_first);
    fields("positive_upper_bound", positive_upper_bound);
    fields("exp_negative_weight", exp_negative_weight);
    fields("add_intra_mae", add_intra_mae);
    fields("max_negative_margin", max_negative_margin);
    fields("distances", distances);
    fields("reference", reference);
  }
};

/// Inputs: distances (N,classes) and labels i64 (N); with a third one, values (N,classes), the loss
/// is computed from these, and the first input gets their gradient. Outputs: the loss (1) and, if
/// asked for, the mean distances (2) or (3), through which no gradient passes.
class ProxyContrastiveLoss final : public Layer {
 public:
  explicit ProxyContrastiveLoss(ProxyContrastiveLossOptions options = {}) : options_(options) {
    require(options.positive_outlier_threshold >= 0, "[proxy_contrastive_loss] expected a positive_outlier_threshold >= 0 but got {}.",
            options.positive_outlier_threshold);
  }

  std::string_view type() const override { return "proxy_contrastive_loss"; }
  std::optional<Options> options() const override { return options_of(options_); }

  void build(std::span<const TensorSpec> inputs) override {
    if (!options_.add_intra_mae) return;
    create(intra_mae_, "intra_mae", Shape{1}, inputs[0].dtype, {.filler = Filler::constant(0)});
    intra_mae_.buffer = true;
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    require(inputs.size() == 2 || inputs.size() == 3, "[proxy_contrastive_loss] expected 2 or 3 inputs but got {}.", inputs.size());
    expect_rank(inputs[0], 2, "(N,classes)");
    const auto& [shape, dtype, per_sample] = inputs[0];
    require(is_floating(dtype) && shape[1] >= 1, "[proxy_contrastive_loss] expected distances (N,classes) but got {} {}.", name_of(dtype),
            shape);
    require(inputs[1].dtype == DType::i64 && inputs[1].shape.count() == shape[0],
            "[proxy_contrastive_loss] expected labels i64 ({}) but got {} {}.", shape[0], name_of(inputs[1].dtype), inputs[1].shape);
    require(inputs.size() == 2 || (inputs[2].shape == shape && inputs[2].dtype == dtype),
            "[proxy_contrastive_loss] expected values {} {} but got {} {}.", name_of(dtype), shape, name_of(inputs.back().dtype),
            inputs.back().shape);
    if (options_.add_intra_mae) expect_shape(intra_mae_, Shape{1});
    // the negative margin
    LayerPlan plan{.outputs = {{Shape{1}, dtype, false}}, .saved = {{Shape{1}, dtype, false}}};
    if (options_.distances) plan.outputs.push_back({Shape{options_.add_intra_mae ? 3 : 2}, dtype, false});
    return plan;
  }

  void forward(const ForwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) {
      const Tensor& margin = args.saved[0];
      const double average = options_.add_intra_mae ? intra_mae_.value.item() : 0;
      margin.fill(options_.negative_margin + average);
      const double mean =
          proxy_contrastive_loss_forward(cpu, rule(), values(args.inputs), args.inputs[1], margin.item(),
                                         {.loss = args.outputs[0], .means = options_.distances ? args.outputs[1] : Tensor()});
      if (!options_.add_intra_mae) return;
      if (args.context.phase == Phase::train) {
        intra_mae_.value.fill(std::min(0.99 * average + 0.01 * mean, options_.max_negative_margin));
      }
      if (options_.distances)
        with_float(intra_mae_.value.dtype(), type(),
                   [&]<class T>() { args.outputs[1].data<T>()[2] = intra_mae_.value.data<const T>()[0]; });
    });
  }

  void backward(const BackwardArgs& args) const override {
    require(!options_.distances || !args.output_gradients[1].defined(),
            "[proxy_contrastive_loss] no gradient passes through the mean distances; do not make them part of a loss.");
    on_cpu(args.context, [&](Cpu& cpu) {
      if (args.output_gradients[0].defined()) {
        proxy_contrastive_loss_backward(cpu, rule(), values(args.inputs), args.inputs[1], args.saved[0].item(), args.output_gradients[0],
                                        args.input_gradients[0]);
      }
      if (args.inputs.size() == 3 && args.input_gradients[2].write == Write::assign) fill(cpu, args.input_gradients[2].tensor, 0);
    });
  }

  void visit(const ParameterVisitor& visitor) override {
    if (options_.add_intra_mae) visitor(intra_mae_);
  }

 private:
  ProxyContrastiveRule rule() const {
    return {.positive_margin = options_.positive_margin,
            .positive_weight = options_.positive_weight,
            .negative_weight = options_.negative_weight,
            .positive_outlier_threshold = options_.positive_outlier_threshold,
            .exp_negative_weight = options_.exp_negative_weight,
            .max_positive_only = options_.max_positive_only,
            .max_negative_only = options_.max_negative_only,
            .positive_first = options_.positive_first,
            .positive_upper_bound = options_.positive_upper_bound,
            .normalize_negative = options_.normalize_negative,
            .reference = options_.reference};
  }
  static const Tensor& values(std::span<const Tensor> inputs) { return inputs.size() == 3 ? inputs[2] : inputs[0]; }

  ProxyContrastiveLossOptions options_;
  Parameter intra_mae_;
};

}  // namespace amnet
