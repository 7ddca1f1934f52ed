// Batch normalisation as a layer: kernels/batch_norm.h has the formulas.
//
//   Value normal = net.add("bn1", BatchNorm(), {conv});
#pragma once

#include <amnet/kernels/batch_norm.h>
#include <amnet/layers/layer.h>

namespace amnet {

struct BatchNormOptions {
  double epsilon = 1e-5;  ///< added to the variance, inside the root
  /// how much of the past the running statistics keep at every step
  double fraction = 0.99;
  bool affine = true;  ///< with the parameters "scale" and "shift"
  /// uses the running statistics in training too, and leaves them alone
  bool stored_statistics = false;
  ParameterOptions scale = {.filler = Filler::constant(1)};
  ParameterOptions shift = {.filler = Filler::constant(0)};
  bool centered = true;  ///< whether the mean is subtracted; without it, on CPUs alone
  bool scaled = true;    ///< whether the deviation divides; without it, on CPUs alone

  template <class Fields>
  void fields(Fields& fields) {
    fields("epsilon", epsilon);
    fields("fraction", fraction);
    fields("affine", affine);
    fields("stored_statistics", stored_statistics);
    fields("scale", scale);
    fields("shift", shift);
    fields("centered", centered, true);
    fields("scaled", scaled, true);
  }
};

/// Input and output (..., C). Parameters "scale" and "shift" (C); buffers "running_mean" and
/// "running_variance" (C), and "weight_of_past" (1): the weight of all batches they are the mean
/// of, 0 before the first. Where "running_mean" is frozen (its lr_mult is 0), training uses the
/// running statistics and leaves them alone, as with `stored_statistics`.
class BatchNorm final : public Layer {
 public:
  explicit BatchNorm(BatchNormOptions options = {}) : options_(options) {
    require(options.epsilon > 0, "[batch_norm] expected an epsilon > 0 but got {}.", options.epsilon);
    require(options.fraction >= 0 && options.fraction <= 1, "[batch_norm] expected a fraction in [0, 1] but got {}.", options.fraction);
  }

  std::string_view type() const override { return "batch_norm"; }
  std::optional<Options> options() const override { return options_of(options_); }

  void build(std::span<const TensorSpec> inputs) override {
    const DType dtype = inputs[0].dtype;
    const Shape channels = channels_of(inputs);
    if (options_.affine) {
      create(scale_, "scale", channels, dtype, options_.scale);
      create(shift_, "shift", channels, dtype, options_.shift);
    }
    create_buffer(running_mean_, "running_mean", channels, dtype, 0);
    create_buffer(running_variance_, "running_variance", channels, dtype, 1);
    create_buffer(weight_of_past_, "weight_of_past", Shape{1}, dtype, 0);
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    const Shape channels = channels_of(inputs);
    expect_shape(running_mean_, channels);
    const TensorSpec statistic{channels, exact_dtype(inputs[0].dtype), false};
    return {.outputs = {inputs[0]}, .saved = {statistic, statistic}};
  }

  void forward(const ForwardArgs& args) const override {
    const Tensor& x = args.inputs[0];
    with_terms(args.context, [&](auto& device, const auto&... terms) {
      if (!stored(args.context)) {
        batch_norm_statistics(device, x, args.saved[0], args.saved[1], terms...);
        batch_norm_update(device, options_.fraction, x.count() / std::max<std::int64_t>(1, args.saved[0].count()), args.saved[0],
                          args.saved[1], running_mean_.value, running_variance_.value, weight_of_past_.value, terms...);
      }
      batch_norm_forward(device, options_.epsilon, x, mean(args.context, args.saved), variance(args.context, args.saved), scale_.value,
                         shift_.value, args.outputs[0], terms...);
    });
  }

  void backward(const BackwardArgs& args) const override {
    with_terms(args.context, [&](auto& device, const auto&... terms) {
      batch_norm_backward(device, options_.epsilon, stored(args.context), args.inputs[0], mean(args.context, args.saved),
                          variance(args.context, args.saved), scale_.value, args.output_gradients[0], args.input_gradients[0],
                          options_.affine ? args.gradient_of(scale_) : Gradient{}, options_.affine ? args.gradient_of(shift_) : Gradient{},
                          terms...);
    });
  }

  void visit(const ParameterVisitor& visitor) override {
    if (options_.affine) {
      visitor(scale_);
      visitor(shift_);
    }
    visitor(running_mean_);
    visitor(running_variance_);
    visitor(weight_of_past_);
  }

 private:
  /// Calls body(backend), or body(cpu, terms) where one is left out.
  template <class Body>
  void with_terms(Context& context, const Body& body) const {
    if (options_.centered && options_.scaled) {
      on_device(context, [&](auto& device) { body(device); });
    } else {
      on_cpu(context, [&](Cpu& cpu) { body(cpu, BatchNormTerms{.centered = options_.centered, .scaled = options_.scaled}); });
    }
  }
  Shape channels_of(std::span<const TensorSpec> inputs) const {
    expect_inputs(inputs, 1);
    const Shape& shape = inputs[0].shape;
    require(shape.rank() >= 2, "[batch_norm] expected an input (N, ..., C) but got {}.", shape);
    return {shape[shape.rank() - 1]};
  }
  bool stored(const Context& context) const {
    return options_.stored_statistics || running_mean_.lr_mult == 0 || context.phase == Phase::test;
  }
  const Tensor& mean(const Context& context, std::span<const Tensor> saved) const {
    return stored(context) ? running_mean_.value : saved[0];
  }
  const Tensor& variance(const Context& context, std::span<const Tensor> saved) const {
    return stored(context) ? running_variance_.value : saved[1];
  }
  void create_buffer(Parameter& parameter, std::string_view name, Shape shape, DType dtype, double value) {
    create(parameter, name, shape, dtype, {.filler = Filler::constant(value)});
    parameter.buffer = true;
  }

  BatchNormOptions options_;
  Parameter scale_;
  Parameter shift_;
  Parameter running_mean_;
  Parameter running_variance_;
  Parameter weight_of_past_;
};

}  // namespace amnet
