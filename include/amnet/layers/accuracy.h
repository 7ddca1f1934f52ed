// Accuracy as a layer: kernels/accuracy.h has the rule. It works in both phases, and no gradient
// passes through it.
//
//   Value accuracy = net.add("accuracy", Accuracy(), {logits, labels});
#pragma once

#include <amnet/kernels/accuracy.h>
#include <amnet/layers/layer.h>

namespace amnet {

struct AccuracyOptions {
  /// right if the label is among the k best classes
  std::int64_t top_k = 1;
  std::optional<std::int64_t> ignore_label = {};  ///< rows with this label are not counted
  bool min_is_better = false;                     ///< for distances in the place of logits
  std::int64_t centres = 1;                       ///< K columns a class, of which the best counts
  /// a second output with the accuracy of each class
  bool per_class = false;
  /// a third input: rows of weight 0 are not counted
  bool sample_weights = false;

  template <class Fields>
  void fields(Fields& fields) {
    fields("top_k", top_k, std::int64_t{1});
    fields("ignore_label", ignore_label, std::optional<std::int64_t>());
    fields("min_is_better", min_is_better, false);
    fields("per_class", per_class, false);
    fields("sample_weights", sample_weights, false);
    fields("centres", centres, std::int64_t{1});
  }
};

/// Inputs: logits (...,K classes), labels i64 with one for each row of classes and, if asked for,
/// one weight for each row. Outputs: the share of rows that are right (1) and, if asked for, that
/// of each class (classes).
class Accuracy final : public Layer {
 public:
  explicit Accuracy(AccuracyOptions options = {}) : options_(options) {
    require(options.top_k >= 1, "[accuracy] expected a top_k >= 1 but got {}.", options.top_k);
    require(options.centres >= 1 && (options.centres == 1 || options.top_k == 1),
            "[accuracy] expected one centre, or several and a top_k of 1, but got {} and {}.", options.centres, options.top_k);
  }

  std::string_view type() const override { return "accuracy"; }
  std::optional<Options> options() const override { return options_of(options_); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, options_.sample_weights ? 3 : 2);
    const auto& [shape, dtype, per_sample] = inputs[0];
    const std::int64_t columns = shape.rank() >= 2 ? shape[shape.rank() - 1] : 0;
    require(columns >= 1 && columns % options_.centres == 0, "[accuracy] expected an input {} but got {}.", logits_text(options_.centres),
            shape);
    const std::int64_t classes = columns / options_.centres, rows = shape.count() / columns;
    require(inputs[1].dtype == DType::i64 && inputs[1].shape.count() == rows, "[accuracy] expected labels i64 ({}) but got {} {}.", rows,
            name_of(inputs[1].dtype), inputs[1].shape);
    require(!options_.sample_weights || (inputs.back().dtype == dtype && inputs.back().shape.count() == rows),
            "[accuracy] expected sample_weights {} ({}) but got {} {}.", name_of(dtype), rows, name_of(inputs.back().dtype),
            inputs.back().shape);
    require(options_.top_k <= classes, "[accuracy] expected a top_k of at most {} classes but got {}.", classes, options_.top_k);
    LayerPlan plan{.outputs = {{Shape{1}, dtype, false}}, .saved = {}};
    if (options_.per_class) plan.outputs.push_back({Shape{classes}, dtype, false});
    return plan;
  }

  bool differentiable() const override { return false; }
  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }

  void forward(const ForwardArgs& args) const override {
    const Tensor& logits = args.inputs[0];
    const std::int64_t columns = logits.extent(logits.rank() - 1);
    const AccuracyRule rule{.top_k = options_.top_k,
                            .ignore_label = options_.ignore_label,
                            .min_is_better = options_.min_is_better,
                            .centres = options_.centres,
                            .weights = options_.sample_weights ? args.inputs[2] : Tensor(),
                            .per_class = options_.per_class ? args.outputs[1] : Tensor()};
    on_device(args.context, [&](auto& device) {
      accuracy_forward(device, logits.reshaped({logits.count() / columns, columns}), args.inputs[1], args.outputs[0], rule);
    });
  }

  void backward(const BackwardArgs&) const override { require(false, "[accuracy] has no gradient; do not make it part of a loss."); }

 private:
  AccuracyOptions options_;
};

}  // namespace amnet
