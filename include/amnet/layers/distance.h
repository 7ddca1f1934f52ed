// Distances to centres as a layer: kernels/distance.h has the formulas.
//
//   Value distances = net.add("distances", Distance(10), {feature});
#pragma once

#include <amnet/kernels/distance.h>
#include <amnet/kernels/normalize.h>
#include <amnet/layers/fully_connected.h>
#include <amnet/layers/layer.h>

namespace amnet {

struct DistanceOptions {
  DistanceKind kind = DistanceKind::l2;
  RowNorm row_norm = RowNorm::none;  ///< of the parameter "weight"
  double epsilon = 1e-12;            ///< added to the sum of squares of a row, inside the root
  bool weight_from_input = false;    ///< the second input has the centres
  /// the last input has labels, and a centre's gradient comes from the samples of its label alone
  bool update_center_only = false;
  bool reference = false;  ///< the reference code's gradient of l1
  ParameterOptions weight = {.filler = Filler::xavier()};
};

/// Inputs: x (N,I) and, if asked for, the centres (O,I), which do not depend on the batch, and
/// labels i64 (N). Output (N,outputs): distances. Parameter "weight" (outputs,I), the centres,
/// unless they are an input; then O must be `outputs`.
///
/// Caffe's InnerDistance (happynear/caffe-windows, layers/inner_distance_layer.cpp and .cu): its
/// `normalize` is RowNorm::in_place, with an epsilon of 1e-6 on a CPU and none on a GPU, and is not
/// applied to centres that are an input; its bias and `transpose` have no effect there: the values
/// of a weight (I,O) are read as rows of I.
class Distance final : public Layer {
 public:
  /// All options that the layer states.
  struct Stated {
    std::int64_t outputs = 0;
    DistanceOptions options = {};

    template <class Fields>
    void fields(Fields& fields) {
      fields("outputs", outputs);
      fields("kind", options.kind);
      fields("row_norm", options.row_norm);
      fields("epsilon", options.epsilon);
      fields("weight_from_input", options.weight_from_input);
      fields("update_center_only", options.update_center_only);
      fields("reference", options.reference);
      fields("weight", options.weight);
    }
  };

  explicit Distance(std::int64_t outputs, DistanceOptions options = {}) : outputs_(outputs), options_(options) {
    require(options.epsilon >= 0, "[distance] expected epsilon >= 0 but got {}.", options.epsilon);
    require(!options.weight_from_input || options.row_norm == RowNorm::none,
            "[distance] centres that are an input are not normalised here; expected a row_norm of none but got {}.",
            name_of(options.row_norm));
  }
  /// From a description (model/layer_types.h).
  explicit Distance(const Stated& stated) : Distance(stated.outputs, stated.options) {}

  std::string_view type() const override { return "distance"; }
  std::optional<Options> options() const override { return options_of(Stated{outputs_, options_}); }

  void build(std::span<const TensorSpec> inputs) override {
    const Shape shape = weight_shape(inputs);
    if (!options_.weight_from_input) create(weight_, "weight", shape, inputs[0].dtype, options_.weight);
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    const Shape centres = weight_shape(inputs);
    const auto& [shape, dtype, per_sample] = inputs[0];
    if (!options_.weight_from_input) expect_shape(weight_, centres);
    LayerPlan plan{.outputs = {{{shape[0], outputs_}, dtype, per_sample}}};
    // the norm of each row
    if (options_.row_norm != RowNorm::none) plan.saved = {{{outputs_, 1}, dtype, false}};
    if (options_.row_norm == RowNorm::projected) {
      plan.saved.push_back({centres, dtype, false});  // the unit rows
      plan.scratch = {{centres, dtype, false}};       // their gradient
    }
    return plan;
  }

  void forward(const ForwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) {
      if (options_.row_norm != RowNorm::none) {
        normalize_forward(cpu, weight_.value, options_.epsilon, centres(args), args.saved[0]);
      }
      distance_forward(cpu, options_.kind, args.inputs[0], centres(args), args.outputs[0]);
    });
  }

  void backward(const BackwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) {
      const Gradient dcentres = options_.weight_from_input ? args.input_gradients[1] : args.gradient_of(weight_);
      const bool projected = options_.row_norm == RowNorm::projected && dcentres;
      distance_backward(cpu, {options_.kind, options_.reference}, args.inputs[0], centres(args),
                        options_.update_center_only ? args.inputs.back() : Tensor(), args.output_gradients[0], args.input_gradients[0],
                        projected ? Gradient{args.scratch[0], Write::assign} : dcentres);
      if (projected) normalize_backward(cpu, args.saved[1], args.saved[0], args.scratch[0], {}, dcentres);
    });
  }

  void visit(const ParameterVisitor& visitor) override {
    if (!options_.weight_from_input) visitor(weight_);
  }

 private:
  template <class Args>
  Tensor centres(const Args& args) const {
    if (options_.weight_from_input) return args.inputs[1];
    return options_.row_norm == RowNorm::projected ? args.saved[1] : weight_.value;
  }

  Shape weight_shape(std::span<const TensorSpec> inputs) const {
    expect_inputs(inputs, 1 + (options_.weight_from_input ? 1 : 0) + (options_.update_center_only ? 1 : 0));
    expect_rank(inputs[0], 2, "(N,I)");
    require(inputs[0].shape[1] >= 1 && outputs_ >= 1, "[distance] expected inputs and outputs >= 1 but got {} and {}.", inputs[0].shape[1],
            outputs_);
    const Shape shape{outputs_, inputs[0].shape[1]};
    require(!options_.weight_from_input || (inputs[1].shape == shape && inputs[1].dtype == inputs[0].dtype),
            "[distance] expected centres {} {} but got {} {}.", name_of(inputs[0].dtype), shape, name_of(inputs.back().dtype),
            inputs.back().shape);
    if (options_.update_center_only) expect_labels(inputs.back(), inputs[0].shape[0]);
    return shape;
  }

  std::int64_t outputs_;
  DistanceOptions options_;
  Parameter weight_;
};

}  // namespace amnet
