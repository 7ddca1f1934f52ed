// All axes from one on reduced to one number, as a layer: kernels/reduce.h has the formulas.
//
//   Value mean = net.add("mean", Reduce({.operation = Reduction::mean, .axis = 1}), {feature});   // (N)
#pragma once

#include <amnet/kernels/reduce.h>
#include <amnet/layers/layer.h>

#include <cmath>
#include <vector>

namespace amnet {

struct ReduceOptions {
  Reduction operation = Reduction::sum;
  int axis = 0;            ///< the first axis that is reduced; all behind it are too
  double coefficient = 1;  ///< what the sum or mean is multiplied by

  template <class Fields>
  void fields(Fields& fields) {
    fields("operation", operation);
    fields("axis", axis);
    fields("coefficient", coefficient);
  }
};

/// Input of any shape, output of its extents before the axis; of all axes: (1), which is not per
/// sample.
class Reduce final : public Layer {
 public:
  explicit Reduce(ReduceOptions options = {}) : options_(options) {
    require(options.axis >= 0 && options.axis < Shape::max_rank, "[reduce] expected an axis in [0, {}) but got {}.",
            static_cast<int>(Shape::max_rank), options.axis);
    require(std::isfinite(options.coefficient), "[reduce] expected a finite coefficient but got {}.", options.coefficient);
  }

  std::string_view type() const override { return "reduce"; }
  std::optional<Options> options() const override { return options_of(options_); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    const auto& [shape, dtype, per_sample] = inputs[0];
    require(options_.axis < shape.rank(), "[reduce] expected an input with an axis {} but got {}.", options_.axis, shape);
    if (options_.axis == 0) return {.outputs = {{Shape{1}, exact_dtype(dtype), false}}, .saved = {}};
    std::vector<std::int64_t> extents;
    for (int i = 0; i < options_.axis; ++i) extents.push_back(shape[i]);
    return {.outputs = {{Shape(extents), exact_dtype(dtype), per_sample}}, .saved = {}};
  }

  BackwardNeeds needs() const override { return {.inputs = reads_values(options_.operation), .outputs = false}; }

  bool sample_wise() const override { return options_.axis != 0; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context,
              [&](auto& device) { reduce_forward(device, options_.operation, options_.coefficient, args.inputs[0], args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      reduce_backward(device, options_.operation, options_.coefficient, args.inputs[0], args.output_gradients[0], args.input_gradients[0]);
    });
  }

 private:
  ReduceOptions options_;
};

}  // namespace amnet
