// The triplet loss between samples and one proxy of each class as a layer, for CPUs alone:
// kernels/proxy_triplet_loss.h has the formula.
//
//   Value loss = net.add("loss", ProxyTripletLoss({.margin = 0.8}), {distances, labels});
#pragma once

#include <amnet/kernels/fill.h>
#include <amnet/kernels/proxy_triplet_loss.h>
#include <amnet/layers/layer.h>

namespace amnet {

struct ProxyTripletLossOptions {
  double margin = 0.2;
  bool add_center_loss = true;  ///< adds positive_weight times the distance to the own proxy
  bool hardest_only = false;    ///< only the nearest other proxy pushes
  /// samples farther from the own proxy than positive_upper_bound are pulled alone
  bool positive_first = false;
  double positive_upper_bound = 1;
  double positive_weight = 1, negative_weight = 1;
  /// a second output: the mean distances to the own proxy and to the others
  bool distances = false;
  /// loss and gradient are those of the reference code: kernels/proxy_triplet_loss.h
  bool reference = false;

  template <class Fields>
  void fields(Fields& fields) {
    fields("margin", margin);
    fields("add_center_loss", add_center_loss);
    fields("hardest_only", hardest_only);
    fields("positive_first", positive_first);
    fields("positive_upper_bound", positive_upper_bound);
    fields("positive_weight", positive_weight);
    fields("negative_weight", negative_weight);
    fields("distances", distances);
    fields("reference", reference);
  }
};

/// Inputs: distances (N,classes), labels i64 (N) and, as a third one, the weights of the samples
/// (N), constants. Outputs: the loss (1) and, if asked for, the mean distances (2), through which
/// no gradient passes.
class ProxyTripletLoss final : public Layer {
 public:
  explicit ProxyTripletLoss(ProxyTripletLossOptions options = {}) : options_(options) {}

  std::string_view type() const override { return "proxy_triplet_loss"; }
  std::optional<Options> options() const override { return options_of(options_); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    require(inputs.size() == 2 || inputs.size() == 3, "[proxy_triplet_loss] expected 2 or 3 inputs but got {}.", inputs.size());
    expect_rank(inputs[0], 2, "(N,classes)");
    const auto& [shape, dtype, per_sample] = inputs[0];
    require(is_floating(dtype) && shape[1] >= 1, "[proxy_triplet_loss] expected distances (N,classes) but got {} {}.", name_of(dtype),
            shape);
    require(inputs[1].dtype == DType::i64 && inputs[1].shape.count() == shape[0],
            "[proxy_triplet_loss] expected labels i64 ({}) but got {} {}.", shape[0], name_of(inputs[1].dtype), inputs[1].shape);
    require(inputs.size() == 2 || (inputs[2].shape.count() == shape[0] && inputs[2].dtype == dtype),
            "[proxy_triplet_loss] expected weights {} ({}) but got {} {}.", name_of(dtype), shape[0], name_of(inputs.back().dtype),
            inputs.back().shape);
    LayerPlan plan{.outputs = {{Shape{1}, dtype, false}}, .saved = {}};
    if (options_.distances) plan.outputs.push_back({Shape{2}, dtype, false});
    return plan;
  }

  void forward(const ForwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) {
      proxy_triplet_loss_forward(cpu, rule(), args.inputs[0], args.inputs[1], weights(args.inputs), args.outputs[0],
                                 options_.distances ? args.outputs[1] : Tensor());
    });
  }

  void backward(const BackwardArgs& args) const override {
    require(!options_.distances || !args.output_gradients[1].defined(),
            "[proxy_triplet_loss] no gradient passes through the mean distances; do not make them part of a loss.");
    on_cpu(args.context, [&](Cpu& cpu) {
      proxy_triplet_loss_backward(cpu, rule(), args.inputs[0], args.inputs[1], weights(args.inputs), args.output_gradients[0],
                                  args.input_gradients[0]);
      if (args.inputs.size() == 3 && args.input_gradients[2].write == Write::assign) fill(cpu, args.input_gradients[2].tensor, 0);
    });
  }

 private:
  ProxyTripletRule rule() const {
    return {.margin = options_.margin,
            .add_center_loss = options_.add_center_loss,
            .hardest_only = options_.hardest_only,
            .positive_first = options_.positive_first,
            .positive_upper_bound = options_.positive_upper_bound,
            .positive_weight = options_.positive_weight,
            .negative_weight = options_.negative_weight,
            .reference = options_.reference};
  }
  static Tensor weights(std::span<const Tensor> inputs) { return inputs.size() == 3 ? inputs[2] : Tensor(); }

  ProxyTripletLossOptions options_;
};

}  // namespace amnet
