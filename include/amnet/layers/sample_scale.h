// One scale for each sample as a layer: kernels/sample_scale.h has the formulas.
//
//   Value scaled = net.add("rescale", SampleScale(), {cosines, norm});
#pragma once

#include <amnet/kernels/add.h>
#include <amnet/kernels/fill.h>
#include <amnet/kernels/sample_scale.h>
#include <amnet/kernels/scale_shift.h>
#include <amnet/kernels/transfer.h>
#include <amnet/layers/layer.h>

#include <limits>

namespace amnet {

/// Instead of each sample's own scale: one in all, a running mean of the scales.
struct GlobalScaleOptions {
  double initial = -1;  ///< negative: the mean of the first batch takes its place
  double min = 0, max = 1000;
  bool output = false;  ///< a second output (1) with it

  template <class Fields>
  void fields(Fields& fields) {
    fields("initial", initial);
    fields("min", min);
    fields("max", max);
    fields("output", output);
  }
};

struct SampleScaleOptions {
  bool do_forward = true;           ///< multiplies; else y = x, and backward is as if it did
  bool do_backward_feature = true;  ///< multiplies the gradient of x; else passes it on
  bool do_backward_scale = true;    ///< computes the gradient of the scales; else it is 0
  std::optional<GlobalScaleOptions> global = {};
  Arithmetic arithmetic = Arithmetic::exact;

  template <class Fields>
  void fields(Fields& fields) {
    fields("do_forward", do_forward);
    fields("do_backward_feature", do_backward_feature);
    fields("do_backward_scale", do_backward_scale);
    fields("global", global);
    fields("arithmetic", arithmetic);
  }
};

/// Inputs: x (N,...) and scales (N), (N,1), or (N,H,W,1) for x (N,H,W,C); output of x's shape. With
/// `global` there is a buffer "global_scale" (1), of which each step of training keeps 0.99, and
/// Phase::test takes it as it is; in backward it is a constant.
///
/// Caffe's ChannelScale (happynear/caffe-windows, layers/channel_scale_layer.cpp and .cu), which
/// differs with `global` alone. Both its codes: the gradients are those of each sample's own scale.
/// reference_cpu: the running scale is limited in each phase, and never moves; so it is 0, or
/// `min`, if no file sets it.
class SampleScale final : public Layer {
 public:
  explicit SampleScale(SampleScaleOptions options = {}) : options_(options) {
    require(!options.global || options.global->min <= options.global->max,
            "[sample_scale] expected a global scale with min <= max but got {} and {}.", options.global.value_or(GlobalScaleOptions{}).min,
            options.global.value_or(GlobalScaleOptions{}).max);
  }

  std::string_view type() const override { return "sample_scale"; }
  std::optional<Options> options() const override { return options_of(options_); }

  void build(std::span<const TensorSpec> inputs) override {
    if (!options_.global) return;
    check(inputs);
    create(global_, "global_scale", Shape{1}, inputs[0].dtype, {.filler = Filler::constant(options_.global->initial)});
    global_.buffer = true;
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    check(inputs);
    LayerPlan plan{.outputs = {inputs[0]}};
    if (!options_.global) return plan;
    expect_shape(global_, {1});
    if (options_.global->output) plan.outputs.push_back({Shape{1}, exact_dtype(inputs[0].dtype), false});
    return plan;
  }

  bool sample_wise() const override { return !options_.global; }

  void forward(const ForwardArgs& args) const override {
    const Tensor &x = args.inputs[0], &scales = args.inputs[1], &y = args.outputs[0];
    on_device(args.context, [&](auto& device) {
      if (options_.global && options_.do_forward) {
        const bool from_cpu = options_.arithmetic == Arithmetic::reference_cpu;
        if (from_cpu || args.context.phase == Phase::train) {
          global_scale_update(device, {.moves = !from_cpu, .low = options_.global->min, .high = options_.global->max}, scales,
                              global_.value);
        }
        scale_shift_forward(device, x, global_.value, {}, y);
      } else if (options_.do_forward) {
        sample_scale_forward(device, x, scales, y);
      } else {
        copy(device, x, y);
      }
      if (options_.global && options_.global->output) copy(device, global_.value, args.outputs[1]);
    });
  }

  void backward(const BackwardArgs& args) const override {
    const Tensor &x = args.inputs[0], &scales = args.inputs[1], &dy = args.output_gradients[0];
    const Gradient &dx = args.input_gradients[0], &dscales = args.input_gradients[1];
    const bool by_global = options_.global && options_.arithmetic == Arithmetic::exact;
    const bool with_scales = options_.do_backward_scale && !by_global;
    on_device(args.context, [&](auto& device) {
      if (!dy.defined()) {
        zero_gradient(device, dx);
        zero_gradient(device, dscales);
        return;
      }
      if (!options_.do_backward_feature) {
        add_backward(device, dy, dx);
      } else if (by_global) {
        scale_shift_backward(device, {}, global_.value, dy, dx, {}, {});
      }
      sample_scale_backward(device, x, scales, dy, options_.do_backward_feature && !by_global ? dx : Gradient{},
                            with_scales ? dscales : Gradient{});
      if (!with_scales) zero_gradient(device, dscales);
    });
  }

  void visit(const ParameterVisitor& visitor) override {
    if (options_.global) visitor(global_);
  }

 private:
  void check(std::span<const TensorSpec> inputs) const {
    expect_inputs(inputs, 2);
    const Shape &shape = inputs[0].shape, &scales = inputs[1].shape;
    require(shape.rank() >= 1 && scales.rank() >= 1, "[sample_scale] expected inputs (N,...) but got {} and {}.", shape, scales);
    std::int64_t parts = shape[0];
    bool fits = scales[0] == shape[0] && scales.count() == parts;
    for (int axis = 1; axis < shape.rank() && !fits; ++axis) {
      if (axis >= scales.rank() || scales[axis] != shape[axis]) break;
      parts *= shape[axis];
      fits = scales.count() == parts;
    }
    require(fits, "[sample_scale] expected one scale for each sample or position of {} but got {}.", shape, scales);
    require(inputs[1].dtype == inputs[0].dtype || inputs[1].dtype == exact_dtype(inputs[0].dtype),
            "[sample_scale] expected scales of {} or {} but got {}.", name_of(inputs[0].dtype), name_of(exact_dtype(inputs[0].dtype)),
            name_of(inputs[1].dtype));
  }

  SampleScaleOptions options_;
  Parameter global_;
};

}  // namespace amnet
