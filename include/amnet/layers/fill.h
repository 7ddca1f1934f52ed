// Values that no data source delivers: constants, or numbers that are drawn anew in every step
// (Caffe's DummyData layer).
//
//   Value noise = net.add("noise", Fill({.extents = {8, 32}, .filler = Filler::gaussian(1), .stream = "noise"}), {});
#pragma once

#include <amnet/layers/filler_values.h>
#include <amnet/layers/layer.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace amnet {

struct FillOptions {
  std::vector<std::int64_t> extents = {};
  Filler filler = {};
  std::string stream = "fill";  ///< keeps this layer's draws apart from those of others
  /// an output i64, such as labels: what is behind the point is cut off
  bool integers = false;

  template <class Fields>
  void fields(Fields& fields) {
    fields("extents", extents);
    fields("filler", filler);
    fields("stream", stream);
    fields("integers", integers);
  }
};

/// No inputs; output of those extents, of the net's dtype or i64. It is not per sample. What is
/// drawn is a function of the run's seed, the stream and the number of the step. CPU alone.
class Fill final : public Layer {
 public:
  explicit Fill(FillOptions options) : options_(std::move(options)) {}

  std::string_view type() const override { return "fill"; }
  std::optional<Options> options() const override { return options_of(options_); }

  void take_dtype(DType dtype) override { dtype_ = dtype; }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 0);
    return {.outputs = {{Shape(options_.extents), options_.integers ? DType::i64 : dtype_, false}}, .saved = {}};
  }

  bool differentiable() const override { return false; }
  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }

  void forward(const ForwardArgs& args) const override {
    on_cpu(args.context, [&](Cpu&) {
      const Tensor& y = args.outputs[0];
      const bool draws = options_.filler.kind != Filler::Kind::constant;
      const StepView& step = args.context.step;
      const Random random(draws ? step.seed() : 0, stream_of(options_.stream), draws ? static_cast<std::uint64_t>(step.number()) : 0);
      const std::vector<double> values = filler_values(options_.filler, y.shape(), random);
      if (options_.integers) {
        std::ranges::transform(values, y.data<std::int64_t>().begin(), [](double value) { return static_cast<std::int64_t>(value); });
      } else {
        with_float(y.dtype(), type(), [&]<class T>() {
          std::ranges::transform(values, y.data<T>().begin(), [](double value) { return static_cast<T>(value); });
        });
      }
    });
  }

  void backward(const BackwardArgs&) const override { require(false, "[fill] has no gradient."); }

 private:
  FillOptions options_;
  DType dtype_ = DType::f32;
};

}  // namespace amnet
