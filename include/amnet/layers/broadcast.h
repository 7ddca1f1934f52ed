// A factor and a term that cover some axes of a tensor, as a layer: kernels/broadcast.h has the
// formula. Each is a parameter, or a further input. For channels alone, ScaleShift runs on every
// device.
//
//   Value shown = net.add("shown", Broadcast({.axis = 1, .axes = 2, .multiply = BroadcastFrom::input}), {image, mask});
#pragma once

#include <amnet/kernels/broadcast.h>
#include <amnet/layers/layer.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace amnet {

/// Where a factor or a term comes from.
enum class BroadcastFrom : unsigned char { none, parameter, input };
constexpr std::array<std::string_view, 3> names_of(BroadcastFrom) { return {"none", "parameter", "input"}; }

struct BroadcastOptions {
  int axis = 1;  ///< the first axis of x that the factor and the term cover
  int axes = 1;  ///< how many they cover; 0: one value for all
  BroadcastFrom multiply = BroadcastFrom::parameter;
  BroadcastFrom add = BroadcastFrom::none;
  ParameterOptions scale = {.filler = Filler::constant(1)};
  ParameterOptions shift = {.filler = Filler::constant(0)};
  /// Limits of the parameter "scale". The reference code's rule (layers/scale_layer.cpp): every
  /// forward moves the stored values that lie outside onto the limit, and backward ignores that.
  /// Here a forward in Phase::train moves them, and one in Phase::test computes as if they had been
  /// moved.
  std::optional<double> clamp_low = {}, clamp_high = {};

  template <class Fields>
  void fields(Fields& fields) {
    fields("axis", axis);
    fields("axes", axes);
    fields("multiply", multiply);
    fields("add", add);
    fields("scale", scale);
    fields("shift", shift);
    fields("clamp_low", clamp_low);
    fields("clamp_high", clamp_high);
  }
};

/// Inputs: x of any shape, then the factor, then the term, where they are inputs: with as many
/// elements as the axes that they cover. Output as x. Parameters "scale" and "shift", where they
/// are parameters, of the extents of those axes, or (1). CPU alone.
class Broadcast final : public Layer {
 public:
  explicit Broadcast(BroadcastOptions options = {}) : options_(options) {
    require(options.axis >= 0 && options.axes >= 0 && options.axis + options.axes <= Shape::max_rank,
            "[broadcast] expected axes within [0, {}) but got {} from {} on.", static_cast<int>(Shape::max_rank), options.axes,
            options.axis);
    const auto &low = options.clamp_low, &high = options.clamp_high;
    require(options.multiply == BroadcastFrom::parameter || (!low && !high),
            "[broadcast] expected clamp_low and clamp_high for a factor that is a parameter; leave them out where it is none.");
    require(!low || !high || *low <= *high, "[broadcast] expected clamp_low <= clamp_high but got {} and {}.", low.value_or(0),
            high.value_or(0));
  }

  std::string_view type() const override { return "broadcast"; }
  std::optional<Options> options() const override { return options_of(options_); }

  void build(std::span<const TensorSpec> inputs) override {
    const Shape covered = covered_by(inputs);
    if (multiplies_parameter()) create(scale_, "scale", covered, inputs[0].dtype, options_.scale);
    if (adds_parameter()) create(shift_, "shift", covered, inputs[0].dtype, options_.shift);
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    const Shape covered = covered_by(inputs);
    if (multiplies_parameter()) expect_shape(scale_, covered);
    if (adds_parameter()) expect_shape(shift_, covered);
    return {.outputs = {inputs[0]}, .saved = {}};
  }

  // The input is read for the gradient of a factor alone, and an input factor for that of x.
  BackwardNeeds needs() const override {
    return {.inputs = options_.multiply == BroadcastFrom::input || (multiplies_parameter() && scale_.trainable()), .outputs = false};
  }

  bool sample_wise() const override { return options_.axis > 0 || options_.axes == 0; }

  void forward(const ForwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) {
      if (args.context.phase == Phase::train && multiplies_parameter() && clamps()) scale_.value.copy_from(clamped());
      broadcast_forward(cpu, axes(), args.inputs[0], factor(args.inputs), term(args.inputs), args.outputs[0]);
    });
  }

  void backward(const BackwardArgs& args) const override {
    const auto of_input = [&](std::size_t i) { return args.input_gradients[i]; };
    on_cpu(args.context, [&](Cpu& cpu) {
      BroadcastGradients gradients{.dx = of_input(0)};
      if (options_.multiply == BroadcastFrom::input) gradients.ds = of_input(1);
      if (multiplies_parameter()) gradients.ds = args.gradient_of(scale_);
      if (options_.add == BroadcastFrom::input) gradients.db = of_input(term_index());
      if (adds_parameter()) gradients.db = args.gradient_of(shift_);
      broadcast_backward(cpu, axes(), args.inputs[0], factor(args.inputs), args.output_gradients[0], gradients);
    });
  }

  void visit(const ParameterVisitor& visitor) override {
    if (multiplies_parameter()) visitor(scale_);
    if (adds_parameter()) visitor(shift_);
  }

 private:
  bool multiplies_parameter() const { return options_.multiply == BroadcastFrom::parameter; }
  bool adds_parameter() const { return options_.add == BroadcastFrom::parameter; }
  bool clamps() const { return options_.clamp_low || options_.clamp_high; }
  std::size_t term_index() const { return options_.multiply == BroadcastFrom::input ? 2 : 1; }
  BroadcastAxes axes() const { return {.first = options_.axes == 0 ? 0 : options_.axis, .count = options_.axes}; }

  Shape covered_by(std::span<const TensorSpec> inputs) const {
    expect_inputs(inputs,
                  std::size_t{1} + (options_.multiply == BroadcastFrom::input ? 1 : 0) + (options_.add == BroadcastFrom::input ? 1 : 0));
    const TensorSpec& x = inputs[0];
    const Shape covered = axes().shape(x.shape);
    for (const TensorSpec& other : inputs.subspan(1)) {
      require(other.shape.count() == covered.count() && other.dtype == x.dtype,
              "[broadcast] expected a factor or term {} {} for an input {} but got {} {}.", name_of(x.dtype), covered, x.shape,
              name_of(other.dtype), other.shape);
    }
    return covered;
  }

  Tensor clamped() const {
    const Tensor moved = scale_.value.clone();
    with_float(moved.dtype(), type(), [&]<class T>() {
      for (T& value : moved.data<T>()) {
        if (options_.clamp_low) value = std::max(value, static_cast<T>(*options_.clamp_low));
        if (options_.clamp_high) value = std::min(value, static_cast<T>(*options_.clamp_high));
      }
    });
    return moved;
  }
  Tensor factor(std::span<const Tensor> inputs) const {
    if (options_.multiply == BroadcastFrom::input) return inputs[1];
    return multiplies_parameter() && clamps() ? clamped() : scale_.value;
  }
  Tensor term(std::span<const Tensor> inputs) const { return options_.add == BroadcastFrom::input ? inputs[term_index()] : shift_.value; }

  BroadcastOptions options_;
  Parameter scale_, shift_;
};

}  // namespace amnet
