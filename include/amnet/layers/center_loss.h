// The center loss as a layer, for CPUs alone: kernels/center_loss.h has the formula.
//
//   Value loss = net.add("centers", CenterLoss(10516), {features, labels});
#pragma once

#include <amnet/kernels/center_loss.h>
#include <amnet/layers/layer.h>

namespace amnet {

struct CenterLossOptions {
  NormKind distance = NormKind::l2;
  /// The gradient of the centers is that of the reference code: kernels/center_loss.h.
  bool reference = false;
  ParameterOptions centers = {.filler = Filler::xavier()};
};

/// Inputs x (N,D) and labels i64 (N), output: the loss (1); parameter "centers" (classes,D).
class CenterLoss final : public Layer {
 public:
  /// All options that the layer states.
  struct Stated {
    std::int64_t classes = 0;
    CenterLossOptions options = {};

    template <class Fields>
    void fields(Fields& fields) {
      fields("classes", classes);
      fields("distance", options.distance);
      fields("reference", options.reference);
      fields("centers", options.centers);
    }
  };

  explicit CenterLoss(std::int64_t classes, CenterLossOptions options = {}) : stated_{classes, options} {}
  /// From a description (model/layer_types.h).
  explicit CenterLoss(const Stated& stated) : stated_(stated) {}

  std::string_view type() const override { return "center_loss"; }
  std::optional<Options> options() const override { return options_of(stated_); }

  void build(std::span<const TensorSpec> inputs) override {
    create(centers_, "centers", centers_shape(inputs), inputs[0].dtype, stated_.options.centers);
  }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_shape(centers_, centers_shape(inputs));
    require(inputs[1].dtype == DType::i64 && inputs[1].shape.count() == inputs[0].shape[0],
            "[center_loss] expected labels i64 ({}) but got {} {}.", inputs[0].shape[0], name_of(inputs[1].dtype), inputs[1].shape);
    return {.outputs = {{Shape{1}, inputs[0].dtype, false}}, .saved = {}};
  }

  void forward(const ForwardArgs& args) const override {
    on_cpu(args.context,
           [&](Cpu& cpu) { center_loss_forward(cpu, rule(), args.inputs[0], args.inputs[1], centers_.value, args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu& cpu) {
      center_loss_backward(cpu, rule(), args.inputs[0], args.inputs[1], centers_.value, args.output_gradients[0], args.input_gradients[0],
                           args.gradient_of(centers_));
    });
  }

  void visit(const ParameterVisitor& visitor) override { visitor(centers_); }

 private:
  CenterRule rule() const { return {.distance = stated_.options.distance, .reference = stated_.options.reference}; }
  Shape centers_shape(std::span<const TensorSpec> inputs) const {
    expect_inputs(inputs, 2);
    const Shape& shape = inputs[0].shape;
    require(shape.rank() == 2 && is_floating(inputs[0].dtype), "[center_loss] expected an input (N,D) but got {}; put a Flatten before it.",
            shape);
    require(stated_.classes >= 1, "[center_loss] expected classes >= 1 but got {}.", stated_.classes);
    return {stated_.classes, shape[1]};
  }

  Stated stated_;
  Parameter centers_;
};

}  // namespace amnet
