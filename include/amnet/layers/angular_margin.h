// An angular margin on the target cosine: kernels/angular_margin.h has the formulas.
//
//   Value moved = net.add("margin", AngularMargin({.margin = 20}), {cosines, labels});   // degrees
#pragma once

#include <amnet/kernels/add.h>
#include <amnet/kernels/angular_margin.h>
#include <amnet/kernels/fill.h>
#include <amnet/layers/layer.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

namespace amnet {

/// A margin that changes with the step t = step.number + first_step: base + (1 + gamma t)^power - 1.
struct AngularMarginSchedule {
  double base = 0;
  double gamma = 1;
  double power = 1;
  std::int64_t first_step = 0;

  template <class Fields>
  void fields(Fields& fields) {
    fields("base", base);
    fields("gamma", gamma);
    fields("power", power);
    fields("first_step", first_step);
  }

  double margin_at(std::int64_t step) const { return base + std::pow(1 + gamma * static_cast<double>(step + first_step), power) - 1; }
};

struct AngularMarginLayerOptions {
  AngularMarginKind kind = AngularMarginKind::hard;
  /// what the buffer "margin" holds at the start
  double margin = 0;
  /// sets the buffer at every step of training
  std::optional<AngularMarginSchedule> schedule = {};
  /// limits the buffer at every step of training
  std::optional<double> max = {};
  /// the margin is half the difference of two running means, of the angles of the others and of the
  /// targets, in degrees
  bool auto_tune = false;
  bool margin_input = false;   ///< a third input (1) takes the place of the buffer
  bool margin_output = false;  ///< a second output with the margin
  Arithmetic arithmetic = Arithmetic::exact;

  template <class Fields>
  void fields(Fields& fields) {
    fields("kind", kind);
    fields("margin", margin);
    fields("schedule", schedule);
    fields("max", max);
    fields("auto_tune", auto_tune);
    fields("margin_input", margin_input);
    fields("margin_output", margin_output);
    fields("arithmetic", arithmetic);
  }
};

/// Inputs: cosines (N,classes), labels i64 (N) and, if asked for, the margin (1); output
/// (N,classes) and, if asked for, the margin (1). Buffer "margin" (1). With auto_tune buffer and
/// second output are (3): the margin, the mean angle of the targets and that of the others; a step
/// of training moves the means by 1%, the first one takes those of its batch, and Phase::test
/// returns those of its batch beside the margin. Phase::test changes no cosine. The margin is a
/// constant in backward, except one that is an input.
///
/// Caffe's LabelSpecificMargin (happynear/caffe-windows, branch experiment,
/// layers/label_specific_margin.cpp and .cu), whose options margin_on_test and reset_margin have no
/// effect there. reference_cpu: as kernels/angular_margin.h says; the schedule and the limit apply
/// in Phase::test too, auto_tune tunes nothing, and a margin that is an input is not read.
/// reference_gpu: the first step takes the means of its batch only where there is a schedule, and a
/// margin that is an input gets no gradient.
class AngularMargin final : public Layer {
 public:
  explicit AngularMargin(AngularMarginLayerOptions options = {}) : options_(options) {
    require(std::isfinite(options.margin), "[angular_margin] expected a finite margin but got {}.", options.margin);
  }

  std::string_view type() const override { return "angular_margin"; }
  std::optional<Options> options() const override { return options_of(options_); }

  void build(std::span<const TensorSpec> inputs) override {
    check(inputs);
    create(margin_, "margin", margin_shape(), inputs[0].dtype, {.filler = Filler::constant(options_.margin)});
    margin_.buffer = true;
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    check(inputs);
    expect_shape(margin_, margin_shape());
    const DType dtype = inputs[0].dtype;
    // the margin that was applied
    LayerPlan plan{.outputs = {inputs[0]}, .saved = {{Shape{1}, dtype, false}}};
    if (options_.margin_output) plan.outputs.push_back({margin_shape(), dtype, false});
    return plan;
  }

  void forward(const ForwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) {
      const bool trains = args.context.phase == Phase::train;
      std::array<double, 3> now = held();
      const bool from_cpu = options_.arithmetic == Arithmetic::reference_cpu;
      if (trains || from_cpu) {
        if (options_.schedule) now[0] = options_.schedule->margin_at(args.context.step.number());
        if (options_.max) now[0] = std::min(now[0], *options_.max);
      }
      if (options_.auto_tune && !from_cpu) tune(args, mean_angles(cpu, args.inputs[0], args.inputs[1]), now);
      if (options_.margin_input && !from_cpu) now[0] = args.inputs[2].item();
      if (trains) write(margin_.value, now);
      if (options_.margin_output) write(args.outputs[1], now);
      const double applied = trains ? now[0] : 0;
      fill(cpu, args.saved[0], applied);
      angular_margin_forward(cpu, kernel_options(), args.inputs[0], args.inputs[1], args.saved[0].item(), args.outputs[0]);
    });
  }

  void backward(const BackwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) {
      const Tensor& dy = args.output_gradients[0];
      Gradient dmargin = options_.margin_input ? args.input_gradients[2] : Gradient{};
      if (options_.margin_output && options_.margin_input && options_.arithmetic == Arithmetic::exact) {
        // the second output is the input itself, where it is one value
        if (const Tensor& through = args.output_gradients[1]; dmargin && through.defined()) {
          add_backward(cpu, first_of(through), dmargin);
          dmargin.write = Write::add;
        }
      }
      const bool has_gradient = dy.defined() && args.context.phase == Phase::train && options_.arithmetic == Arithmetic::exact;
      if (!dy.defined()) {
        zero_gradient(cpu, args.input_gradients[0]);
      } else {
        angular_margin_backward(cpu, kernel_options(), args.inputs[0], args.inputs[1], args.saved[0].item(), dy, args.input_gradients[0],
                                has_gradient ? dmargin : Gradient{});
      }
      if (!has_gradient) zero_gradient(cpu, dmargin);
    });
  }

  void visit(const ParameterVisitor& visitor) override { visitor(margin_); }

 private:
  Shape margin_shape() const { return {options_.auto_tune ? 3 : 1}; }
  AngularMarginOptions kernel_options() const { return {options_.kind, options_.arithmetic}; }
  static Tensor first_of(const Tensor& values) { return values.slice(0, 1); }

  void check(std::span<const TensorSpec> inputs) const {
    expect_inputs(inputs, options_.margin_input ? 3 : 2);
    expect_rank(inputs[0], 2, "(N,classes)");
    expect_labels(inputs[1], inputs[0].shape[0]);
    require(!options_.auto_tune || inputs[0].shape[1] >= 2, "[angular_margin] expected two classes or more for auto_tune but got {}.",
            inputs[0].shape);
    require(!options_.margin_input || (inputs[2].shape.count() == 1 && inputs[2].dtype == inputs[0].dtype),
            "[angular_margin] expected a margin {} (1) but got {} {}.", name_of(inputs[0].dtype), name_of(inputs.back().dtype),
            inputs.back().shape);
  }

  std::array<double, 3> held() const {
    std::array<double, 3> values{};
    with_float(margin_.value.dtype(), type(), [&]<class T>() {
      const std::span<const T> from = margin_.value.data<const T>();
      for (std::size_t i = 0; i < from.size(); ++i) values[i] = static_cast<double>(from[i]);
    });
    return values;
  }
  void write(const Tensor& to, const std::array<double, 3>& values) const {
    with_float(to.dtype(), type(), [&]<class T>() {
      const std::span<T> out = to.data<T>();
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<T>(values[i]);
    });
  }
  void tune(const ForwardArgs& args, const std::array<double, 2>& means, std::array<double, 3>& now) const {
    if (args.context.phase == Phase::test) {
      now = {now[0], means[0], means[1]};
      return;
    }
    const bool counts = options_.schedule.has_value() || options_.arithmetic == Arithmetic::exact;
    const std::int64_t before = options_.schedule ? options_.schedule->first_step : 0;
    const bool first = counts && args.context.step.number() + before == 0;
    for (std::size_t i = 0; i < 2; ++i) now[i + 1] = first ? means[i] : 0.99 * now[i + 1] + 0.01 * means[i];
    now[0] = (now[2] - now[1]) / 2;
  }

  AngularMarginLayerOptions options_;
  Parameter margin_;
};

}  // namespace amnet
