// Element-wise combination of several tensors as a layer: kernels/combine.h has the formulas. For a
// plain sum, Add joins the operations around it.
//
//   Value largest = net.add("max", Combine({.operation = Combination::maximum}), {conv, other});
#pragma once

#include <amnet/kernels/combine.h>
#include <amnet/layers/layer.h>

#include <utility>
#include <vector>

namespace amnet {

struct CombineOptions {
  Combination operation = Combination::sum;
  std::vector<double> coefficients = {};  ///< of a sum, one for each input; none: all 1

  template <class Fields>
  void fields(Fields& fields) {
    fields("operation", operation);
    fields("coefficients", coefficients);
  }
};

/// One input or more, of one shape; the output has it too.
class Combine final : public Layer {
 public:
  explicit Combine(CombineOptions options = {}) : rule_{.operation = options.operation, .coefficients = std::move(options.coefficients)} {
    require(rule_.coefficients.empty() || rule_.operation == Combination::sum,
            "[combine] expected coefficients for a sum alone but got {} for a {}.", rule_.coefficients.size(), name_of(rule_.operation));
  }

  std::string_view type() const override { return "combine"; }
  std::optional<Options> options() const override {
    return options_of(CombineOptions{.operation = rule_.operation, .coefficients = rule_.coefficients});
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    require(!inputs.empty() && inputs.size() <= most_combined, "[combine] expected 1 to {} inputs but got {}.", std::size_t{most_combined},
            inputs.size());
    require(rule_.coefficients.empty() || rule_.coefficients.size() == inputs.size(),
            "[combine] expected a coefficient for each of {} inputs, or none, but got {}.", inputs.size(), rule_.coefficients.size());
    TensorSpec output = inputs[0];
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      require(inputs[i].shape == output.shape && inputs[i].dtype == output.dtype,
              "[combine] expected inputs of one shape but input 0 is {} {} and input {} is {} {}.", name_of(output.dtype), output.shape, i,
              name_of(inputs[i].dtype), inputs[i].shape);
      output.per_sample = output.per_sample && inputs[i].per_sample;
    }
    return {.outputs = {output}, .saved = {}};
  }

  BackwardNeeds needs() const override { return {.inputs = rule_.operation != Combination::sum, .outputs = false}; }

  bool sample_wise() const override { return true; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) { combine_forward(device, rule_, args.inputs, args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      for (std::size_t i = 0; i < args.inputs.size(); ++i) {
        combine_backward(device, rule_, args.inputs, i, args.output_gradients[0], args.input_gradients[i]);
      }
    });
  }

 private:
  CombineRule rule_;
};

}  // namespace amnet
