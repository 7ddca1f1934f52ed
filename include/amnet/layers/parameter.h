// A learned tensor as a layer of its own: other layers read it like any value (Caffe's Parameter
// layer).
//
//   Value centre = net.add("centre", ParameterLayer({.extents = {10, 32}, .value = {Filler::xavier()}}), {});
#pragma once

#include <amnet/kernels/add.h>
#include <amnet/kernels/transfer.h>
#include <amnet/layers/layer.h>

#include <utility>
#include <vector>

namespace amnet {

struct ParameterLayerOptions {
  std::vector<std::int64_t> extents = {};
  ParameterOptions value = {};

  template <class Fields>
  void fields(Fields& fields) {
    fields("extents", extents);
    fields("value", value);
  }
};

/// No inputs; output: the parameter "value", of those extents, as it is. It is not per sample.
class ParameterLayer final : public Layer {
 public:
  explicit ParameterLayer(ParameterLayerOptions options) : options_(std::move(options)) {}

  std::string_view type() const override { return "parameter"; }
  std::optional<Options> options() const override { return options_of(options_); }

  void take_dtype(DType dtype) override { dtype_ = exact_dtype(dtype); }

  void build(std::span<const TensorSpec>) override { create(value_, "value", Shape(options_.extents), dtype_, options_.value); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 0);
    const Shape shape(options_.extents);
    expect_shape(value_, shape);
    return {.outputs = {{shape, dtype_, false}}, .saved = {}};
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context, [&](auto& device) { copy(device, value_.value, args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context, [&](auto& device) { add_backward(device, args.output_gradients[0], args.gradient_of(value_)); });
  }

  void visit(const ParameterVisitor& visitor) override { visitor(value_); }

 private:
  ParameterLayerOptions options_;
  DType dtype_ = DType::f32;
  Parameter value_;
};

}  // namespace amnet
