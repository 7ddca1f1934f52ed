// Power of a linear function as a layer: kernels/power.h has the formula.
//
//   Value squared = net.add("square", Power({.power = 2}), {feature});
#pragma once

#include <amnet/kernels/power.h>
#include <amnet/layers/layer.h>

#include <cmath>

namespace amnet {

/// y = (shift + scale x)^power
struct PowerOptions {
  double power = 1;
  double scale = 1;
  double shift = 0;

  template <class Fields>
  void fields(Fields& fields) {
    fields("power", power);
    fields("scale", scale);
    fields("shift", shift);
  }
};

/// Input and output of any one shape. CPU alone.
class Power final : public Layer {
 public:
  explicit Power(PowerOptions options = {}) : function_{.power = options.power, .scale = options.scale, .shift = options.shift} {
    require(std::isfinite(options.power) && std::isfinite(options.scale) && std::isfinite(options.shift),
            "[power] expected finite numbers but got power {}, scale {} and shift {}.", options.power, options.scale, options.shift);
  }

  std::string_view type() const override { return "power"; }
  std::optional<Options> options() const override {
    return options_of(PowerOptions{.power = function_.power, .scale = function_.scale, .shift = function_.shift});
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    return {.outputs = {inputs[0]}, .saved = {}};
  }

  BackwardNeeds needs() const override { return {.inputs = function_.is_curved(), .outputs = false}; }

  bool sample_wise() const override { return true; }

  void forward(const ForwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) { power_forward(cpu, function_, args.inputs[0], args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    on_cpu(args.context,
           [&](Cpu& cpu) { power_backward(cpu, function_, args.inputs[0], args.output_gradients[0], args.input_gradients[0]); });
  }

 private:
  PowerFunction function_;
};

}  // namespace amnet
