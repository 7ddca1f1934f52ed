// A layer type that is not part of amnet, as a user may write it.
#pragma once

#include <amnet/model/layer_types.h>

#include <optional>
#include <string>

namespace amnet {

struct BlendWeight {
  double weight = 0.5;
  template <class Fields>
  void fields(Fields& fields) {
    fields("weight", weight);
  }
};

struct BlendOptions {
  BlendWeight inner = {};
  std::optional<BlendWeight> second = {};
  std::int64_t seed = 1;
  std::string name = "blend";
  bool negated = false;

  template <class Fields>
  void fields(Fields& fields) {
    fields("inner", inner);
    fields("second", second);
    fields("seed", seed);
    fields("name", name);
    fields("negated", negated);
  }
};

/// A parameter, a buffer, options within options, two outputs: the input times the parameter, and
/// the input or its negative.
class Blend final : public Layer {
 public:
  explicit Blend(BlendOptions options = {}) : options_(std::move(options)) {}
  std::string_view type() const override { return "blend"; }
  std::optional<Options> options() const override { return options_of(options_); }

  void build(std::span<const TensorSpec> inputs) override {
    create(scale_, "scale", {1}, inputs[0].dtype, {.filler = Filler::constant(options_.inner.weight)});
    create(calls_, "calls", {1}, inputs[0].dtype, {});
    calls_.buffer = true;
  }
  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    return {.outputs = {inputs[0], inputs[0]}, .saved = {}};
  }
  void forward(const ForwardArgs& args) const override {
    with_float(args.inputs[0].dtype(), "blend", [&]<class T>() {
      const auto x = args.inputs[0].data<T>(), y = args.outputs[0].data<T>(), z = args.outputs[1].data<T>();
      const T scale = scale_.value.data<T>()[0];
      for (std::size_t i = 0; i < x.size(); ++i) y[i] = scale * x[i], z[i] = options_.negated ? -x[i] : x[i];
    });
  }
  void backward(const BackwardArgs&) const override {}
  void visit(const ParameterVisitor& visitor) override {
    visitor(scale_);
    visitor(calls_);
  }

 private:
  BlendOptions options_;
  Parameter scale_, calls_;
};

inline const LayerType own[] = {layer_type<Blend, BlendOptions>("blend")};

}  // namespace amnet
