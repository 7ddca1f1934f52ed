// The same elements, in their order, under another shape.
//
//   Value rows = net.add("rows", Reshape({.extents = {0, -1}}), {image});   // (N, H*W*C)
#pragma once

#include <amnet/core/text.h>
#include <amnet/kernels/add.h>
#include <amnet/kernels/transfer.h>
#include <amnet/layers/layer.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace amnet {

struct ReshapeOptions {
  /// 0: the extent of the input at that place; -1, for one of them: what the others leave
  std::vector<std::int64_t> extents = {};

  template <class Fields>
  void fields(Fields& fields) {
    fields("extents", extents);
  }
};

/// Input of any shape and dtype; output a copy with those extents, of which the last changes
/// fastest. Where the first of them is not 0, the batch is no longer the first extent, and a run
/// must have all samples that were planned.
class Reshape final : public Layer {
 public:
  explicit Reshape(ReshapeOptions options) : extents_(std::move(options.extents)) {
    require(!extents_.empty() && extents_.size() <= Shape::max_rank && std::ranges::count(extents_, -1) <= 1 &&
                std::ranges::all_of(extents_, [](std::int64_t extent) { return extent >= -1; }),
            "[reshape] expected 1 to {} extents >= -1, at most one of them -1, but got {}.", static_cast<int>(Shape::max_rank),
            list_text(extents_));
  }

  std::string_view type() const override { return "reshape"; }
  std::optional<Options> options() const override { return options_of(ReshapeOptions{extents_}); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    const auto& [shape, dtype, per_sample] = inputs[0];
    return {.outputs = {{reshaped(shape), dtype, per_sample && extents_[0] == 0}}, .saved = {}};
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }

  bool sample_wise() const override { return extents_[0] == 0; }

  void forward(const ForwardArgs& args) const override {
    const Tensor &x = args.inputs[0], &y = args.outputs[0];
    require(x.count() == y.count(),
            "[reshape] expected all samples, to make {}, but got {}: the first extent is not the batch; plan for so many, or make it 0.",
            y.shape(), x.shape());
    on_device(args.context, [&](auto& device) { copy(device, x.reshaped(y.shape()), y); });
  }

  void backward(const BackwardArgs& args) const override {
    const Tensor& dy = args.output_gradients[0];
    const Gradient& dx = args.input_gradients[0];
    if (!dx) return;
    on_device(args.context, [&](auto& device) { add_backward(device, dy, {dx.tensor.reshaped(dy.shape()), dx.write}); });
  }

 private:
  Shape reshaped(const Shape& from) const {
    std::vector<std::int64_t> extents = extents_;
    std::int64_t others = 1;
    for (std::size_t i = 0; i < extents.size(); ++i) {
      if (extents[i] == 0) {
        require(static_cast<int>(i) < from.rank(), "[reshape] expected an input with an extent {} to keep but got {}.", i, from);
        extents[i] = from[static_cast<int>(i)];
      }
      if (extents[i] != -1) others *= extents[i];
    }
    const auto left = std::ranges::find(extents, -1);
    const bool divides = left == extents.end() ? others == from.count() : others > 0 && from.count() % others == 0;
    require(divides, "[reshape] expected an input whose elements fill {} but got {}.", list_text(extents), from);
    if (left != extents.end()) *left = from.count() / others;
    return Shape(extents);
  }

  std::vector<std::int64_t> extents_;
};

}  // namespace amnet
