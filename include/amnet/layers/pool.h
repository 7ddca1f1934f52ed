// Pooling as a layer: kernels/pool.h has the rules.
//
//   Value halved = net.add("pool1", Pool({.kind = PoolKind::max, .kernel_height = 3, .kernel_width = 3}), {conv});
//   Value pooled = net.add("gap", Pool::global(PoolKind::average), {conv});
#pragma once

#include <amnet/kernels/pool.h>
#include <amnet/layers/layer.h>

namespace amnet {

/// The window of a Pool, or that it covers the whole image, whatever its size.
struct PoolLayerOptions {
  PoolOptions window = {};
  bool global = false;

  template <class Fields>
  void fields(Fields& fields) {
    fields("kind", window.kind);
    fields("kernel", window.kernel_height, window.kernel_width);
    fields("stride", window.stride_height, window.stride_width);
    fields("pad", window.pad_height, window.pad_width);
    fields("round_up", window.round_up);
    fields("global", global);
  }
};

/// Input (N,H,W,C), output (N,OH,OW,C) with the extents of pooled_extent().
class Pool final : public Layer {
 public:
  explicit Pool(PoolOptions window = {}) : options_{.window = window} {}
  explicit Pool(const PoolLayerOptions& options) : options_(options) {}
  /// One window over the whole image, whatever its size: the output is (N,1,1,C).
  static Pool global(PoolKind kind) {
    return Pool(PoolLayerOptions{.window = {.kind = kind, .stride_height = 1, .stride_width = 1}, .global = true});
  }

  std::string_view type() const override { return "pool"; }
  std::optional<Options> options() const override { return options_of(options_); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    expect_rank(inputs[0], 4, "(N,H,W,C)");
    const auto& [shape, dtype, per_sample] = inputs[0];
    const PoolOptions window = window_on(shape);
    const std::int64_t height = pooled_extent(shape[1], window.kernel_height, window.stride_height, window.pad_height, window.round_up);
    const std::int64_t width = pooled_extent(shape[2], window.kernel_width, window.stride_width, window.pad_width, window.round_up);
    const Shape pooled{shape[0], height, width, shape[3]};
    LayerPlan plan{.outputs = {{pooled, dtype}}, .saved = {}, .state = std::make_unique<Window>(window)};
    if (window.kind == PoolKind::max) plan.saved.push_back({pooled, DType::i64});
    return plan;
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }

  void forward(const ForwardArgs& args) const override {
    on_device(args.context,
              [&](auto& device) { pool_forward(device, window(args.state), args.inputs[0], args.outputs[0], indices(args.saved)); });
  }

  void backward(const BackwardArgs& args) const override {
    on_device(args.context, [&](auto& device) {
      pool_backward(device, window(args.state), args.output_gradients[0], indices(args.saved), args.input_gradients[0]);
    });
  }

 private:
  /// The options, or the whole of the planned image: backward sees no input.
  struct Window final : LayerState {
    explicit Window(const PoolOptions& window) : options(window) {}
    PoolOptions options;
  };
  static const PoolOptions& window(const LayerState* state) { return static_cast<const Window&>(*state).options; }

  PoolOptions window_on(const Shape& image) const {
    PoolOptions window = options_.window;
    if (options_.global) {
      window.kernel_height = image[1];
      window.kernel_width = image[2];
    }
    return window;
  }
  static Tensor indices(std::span<const Tensor> saved) { return saved.empty() ? Tensor() : saved[0]; }

  PoolLayerOptions options_;
};

}  // namespace amnet
