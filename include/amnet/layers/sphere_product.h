// Products with the margin of A-Softmax as a layer: kernels/sphere_product.h has the formulas.
//
//   Value logits = net.add("sphere", SphereProduct(10, {.base = 1000, .gamma = 0.12, .lambda_min = 5}), {feature, labels});
#pragma once

#include <amnet/kernels/fill.h>
#include <amnet/kernels/fully_connected.h>
#include <amnet/kernels/normalize.h>
#include <amnet/kernels/sample_scale.h>
#include <amnet/kernels/sphere_product.h>
#include <amnet/layers/layer.h>
#include <amnet/layers/softmax_cross_entropy.h>

namespace amnet {

/// lambda at the step t = step.number + first_step + 1: base (1 + gamma t)^-power, at least
/// lambda_min.
struct SphereProductOptions {
  std::int64_t multiplier = 4;  ///< m: 1 (no margin), 2, 3 or 4
  double base = 1;
  double gamma = 0;
  double power = 1;
  double lambda_min = 0;
  std::int64_t first_step = 0;
  bool lambda_output = false;  ///< a second output (1) with lambda
  bool reference = false;      ///< the reference code's arithmetic
  ParameterOptions weight = {.filler = Filler::xavier()};

  double lambda_at(std::int64_t step) const {
    return BlendSchedule{.base = base, .gamma = gamma, .power = power, .least = lambda_min, .first_step = first_step}.blend_at(step);
  }
};

/// Inputs: x (N,D), labels i64 (N); output (N,outputs) and, if asked for, lambda (1), which carries
/// no gradient. Parameter "weight" (outputs,D), whose rows count with length 1. Phase::test has no
/// margin.
///
/// Caffe's MarginInnerProduct (happynear/caffe-windows, layers/margin_inner_product_layer.cpp and
/// .cu). `reference`: each forward writes the rows of length 1 over the weight; its gradient is
/// that of a plain product, dy^T x; that of x is the kernel's `reference`; and the margin applies
/// in Phase::test too.
class SphereProduct final : public Layer {
 public:
  /// All options that the layer states.
  struct Stated {
    std::int64_t outputs = 0;
    SphereProductOptions options = {};

    template <class Fields>
    void fields(Fields& fields) {
      fields("outputs", outputs);
      fields("multiplier", options.multiplier);
      fields("base", options.base);
      fields("gamma", options.gamma);
      fields("power", options.power);
      fields("lambda_min", options.lambda_min);
      fields("first_step", options.first_step);
      fields("lambda_output", options.lambda_output);
      fields("reference", options.reference);
      fields("weight", options.weight);
    }
  };

  explicit SphereProduct(std::int64_t outputs, SphereProductOptions options = {}) : outputs_(outputs), options_(options) {
    require(options.multiplier >= 1 && options.multiplier <= 4, "[sphere_product] expected a multiplier of 1, 2, 3 or 4 but got {}.",
            options.multiplier);
  }
  /// From a description (model/layer_types.h).
  explicit SphereProduct(const Stated& stated) : SphereProduct(stated.outputs, stated.options) {}

  std::string_view type() const override { return "sphere_product"; }
  std::optional<Options> options() const override { return options_of(Stated{outputs_, options_}); }

  void build(std::span<const TensorSpec> inputs) override {
    create(weight_, "weight", weight_shape(inputs), inputs[0].dtype, options_.weight);
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_shape(weight_, weight_shape(inputs));
    const auto& [shape, input_dtype, per_sample] = inputs[0];
    const DType dtype = exact_dtype(input_dtype);
    const TensorSpec logits{{shape[0], outputs_}, dtype, per_sample};
    // the norm of each row
    LayerPlan plan{.outputs = {logits}, .saved = {{{outputs_, 1}, dtype, false}}};
    if (options_.lambda_output) plan.outputs.push_back({Shape{1}, dtype, false});
    if (options_.multiplier > 1) {
      plan.saved.push_back({{shape[0], 2}, dtype, per_sample});  // norms and target cosines
      // the products' gradient, and x's further coefficient
      plan.scratch = {logits, {{shape[0], 1}, dtype, per_sample}};
    }
    return plan;
  }

  void forward(const ForwardArgs& args) const override {
    const Tensor &x = args.inputs[0], &y = args.outputs[0], &w = weight_.value, &norms = args.saved[0];
    on_device(args.context, [&](auto& device) {
      if (options_.reference) {
        normalize_forward(device, w, epsilon, w, norms);
        fully_connected_forward(device, x, w, {}, y);
      } else {
        cosine_forward(device, x, w, epsilon, {}, y, norms);
      }
      if (has_margin(args.context)) sphere_margin_forward(device, margin(args.context), x, args.inputs[1], y, args.saved[1]);
      if (options_.lambda_output) fill(device, args.outputs[1], lambda(args.context));
    });
  }

  void backward(const BackwardArgs& args) const override {
    const Tensor &x = args.inputs[0], &dy = args.output_gradients[0], &w = weight_.value, &norms = args.saved[0];
    const Gradient &dx = args.input_gradients[0], dweight = args.gradient_of(weight_);
    on_device(args.context, [&](auto& device) {
      if (!dy.defined()) {
        zero_gradient(device, dx);
        zero_gradient(device, dweight);
        return;
      }
      Tensor products = dy;  // their gradient
      if (has_margin(args.context)) {
        products = args.scratch[0];
        sphere_margin_backward(device, margin(args.context), args.saved[1], args.inputs[1], dy, products, args.scratch[1]);
      }
      if (options_.reference) {
        fully_connected_backward_data(device, products, w, dx);
        fully_connected_backward_weights(device, x, dy, dweight);
      } else {
        cosine_backward_data(device, products, w, norms, dx);
        cosine_backward_weights(device, x, products, w, norms, dweight);
      }
      if (has_margin(args.context) && dx) sample_scale_backward(device, {}, args.scratch[1], x, {dx.tensor, Write::add}, {});
    });
  }

  ScratchBytes kernel_scratch(Device& device, std::span<const TensorSpec> inputs, bool) const override {
    return on(device, [&](auto& backend) {
      return fully_connected_scratch(backend, inputs[0].shape[0], inputs[0].shape[1], outputs_, inputs[0].dtype, !options_.reference);
    });
  }

  void visit(const ParameterVisitor& visitor) override { visitor(weight_); }

 private:
  // the reference code has none: a row of zeros is NaN there
  static constexpr double epsilon = 1e-12;

  bool has_margin(const Context& context) const { return options_.multiplier > 1 && (options_.reference || context.phase == Phase::train); }
  /// Asks for the step only where lambda depends on it: what differs from step to step cannot be
  /// recorded.
  double lambda(const Context& context) const { return options_.lambda_at(options_.gamma == 0 ? 0 : context.step.number()); }
  SphereMargin margin(const Context& context) const {
    return {.multiplier = static_cast<int>(options_.multiplier), .lambda = lambda(context), .reference = options_.reference};
  }
  Shape weight_shape(std::span<const TensorSpec> inputs) const {
    expect_inputs(inputs, 2);
    expect_rank(inputs[0], 2, "(N,D)");
    expect_labels(inputs[1], inputs[0].shape[0]);
    require(inputs[0].shape[1] >= 1 && outputs_ >= 1, "[sphere_product] expected inputs and outputs >= 1 but got {} and {}.",
            inputs[0].shape[1], outputs_);
    return {outputs_, inputs[0].shape[1]};
  }

  std::int64_t outputs_;
  SphereProductOptions options_;
  Parameter weight_;
};

}  // namespace amnet
