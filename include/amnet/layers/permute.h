// Another order of axes as a layer: kernels/permute.h has the rule.
//
//   Value planes = net.add("planes", Permute({.order = {0, 3, 1, 2}}), {image});   // (N,H,W,C) to (N,C,H,W)
#pragma once

#include <amnet/core/text.h>
#include <amnet/kernels/permute.h>
#include <amnet/layers/layer.h>

#include <array>
#include <utility>
#include <vector>

namespace amnet {

struct PermuteOptions {
  std::vector<std::int64_t> order = {};  ///< axis i of the output is axis order[i] of the input

  template <class Fields>
  void fields(Fields& fields) {
    fields("order", order);
  }
};

/// Input of any dtype and up to four axes; output with its axes in another order. Where the batch
/// does not stay the first axis, a run must have all samples that were planned.
class Permute final : public Layer {
 public:
  explicit Permute(PermuteOptions options) : order_(std::move(options.order)) {
    std::array<bool, Shape::max_rank> found{};
    bool each_once = order_.size() <= found.size();
    for (const std::int64_t axis : order_) {
      each_once = each_once && axis >= 0 && axis < static_cast<std::int64_t>(order_.size()) &&
                  !std::exchange(found[static_cast<std::size_t>(axis)], true);
    }
    require(each_once && !order_.empty(), "[permute] expected each of up to {} axes once but got the order {}.",
            static_cast<int>(Shape::max_rank), list_text(order_));
  }

  std::string_view type() const override { return "permute"; }
  std::optional<Options> options() const override { return options_of(PermuteOptions{order_}); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    const auto& [shape, dtype, per_sample] = inputs[0];
    require(shape.rank() == static_cast<int>(order_.size()), "[permute] expected an input of {} axes, as in the order, but got {}.",
            order_.size(), shape);
    Shape permuted = shape;
    for (int i = 0; i < shape.rank(); ++i) permuted = permuted.with(i, shape[static_cast<int>(order_[static_cast<std::size_t>(i)])]);
    return {.outputs = {{permuted, dtype, per_sample && order_[0] == 0}}, .saved = {}};
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }

  bool sample_wise() const override { return order_[0] == 0; }

  void forward(const ForwardArgs& args) const override {
    require(args.inputs[0].count() == args.outputs[0].count(),
            "[permute] expected all samples, to make {}, but got {}: the batch is not the first axis of the output; plan for so many.",
            args.outputs[0].shape(), args.inputs[0].shape());
    on_device(args.context, [&](auto& device) { permute_forward(device, args.inputs[0], order_, args.outputs[0]); });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context, [&](auto& device) { permute_backward(device, args.output_gradients[0], order_, args.input_gradients[0]); });
  }

 private:
  std::vector<std::int64_t> order_;
};

}  // namespace amnet
