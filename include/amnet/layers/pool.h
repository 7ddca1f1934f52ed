// Pooling as a layer: kernels/pool.h has the rules.
//
//   Value halved = net.add("pool1", Pool({.kind = PoolKind::max, .kernel_height = 3, .kernel_width = 3}), {conv});
//   Value pooled = net.add("gap", Pool::global(PoolKind::average), {conv});
#pragma once

#include <amnet/kernels/pool.h>
#include <amnet/layers/layer.h>

namespace amnet {

/// Input (N,H,W,C), output (N,OH,OW,C) with the extents of pooled_extent().
class Pool final : public Layer {
 public:
  explicit Pool(PoolOptions options = {}) : options_(options) {}
  /// One window over the whole image, whatever its size: the output is (N,1,1,C).
  static Pool global(PoolKind kind) {
    Pool pool({.kind = kind, .stride_height = 1, .stride_width = 1});
    pool.global_ = true;
    return pool;
  }

  std::string_view type() const override { return "pool"; }

  LayerPlan setup(std::span<const TensorSpec> inputs) override {
    expect_inputs(inputs, 1);
    expect_rank(inputs[0], 4, "(N,H,W,C)");
    const auto& [shape, dtype] = inputs[0];
    window_ = options_;
    if (global_) {
      window_.kernel_height = shape[1];
      window_.kernel_width = shape[2];
    }
    const std::int64_t height = pooled_extent(shape[1], window_.kernel_height, window_.stride_height, window_.pad_height, window_.round_up);
    const std::int64_t width = pooled_extent(shape[2], window_.kernel_width, window_.stride_width, window_.pad_width, window_.round_up);
    const Shape pooled{shape[0], height, width, shape[3]};
    LayerPlan plan{.outputs = {{pooled, dtype}}, .saved = {}};
    if (window_.kind == PoolKind::max) plan.saved.push_back({pooled, DType::i64});
    return plan;
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }

  void forward(const ForwardArgs& args) override {
    on_device(args.context, [&](auto& device) { pool_forward(device, window_, args.inputs[0], args.outputs[0], indices(args.saved)); });
  }

  void backward(const BackwardArgs& args) override {
    on_device(args.context, [&](auto& device) {
      pool_backward(device, window_, args.output_gradients[0], indices(args.saved), args.input_gradients[0]);
    });
  }

 private:
  static Tensor indices(std::span<const Tensor> saved) { return saved.empty() ? Tensor() : saved[0]; }

  PoolOptions options_;
  bool global_ = false;
  PoolOptions window_;  // the options, or the whole of the planned image
};

}  // namespace amnet
