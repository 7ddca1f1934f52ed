// Pooling as a layer: kernels/pool.h has the rules, and kernels/stochastic_pool.h those of a
// stochastic one.
//
//   Value halved = net.add("pool1", Pool(PoolKind::max, 3), {conv});
//   Value pooled = net.add("gap", Pool::global(PoolKind::average), {conv});
#pragma once

#include <amnet/kernels/pool.h>
#include <amnet/kernels/stochastic_pool.h>
#include <amnet/layers/layer.h>

namespace amnet {

struct PoolOptions {
  Extents stride = 2;    ///< for any kernel: by default a pool halves the image
  Extents pad = 0;       ///< on each side, smaller than the kernel
  bool round_up = true;  ///< whether a last window may extend beyond the edge
  /// of a stochastic pooling: keeps this layer's draws apart from those of others
  std::string stream = "pool";
};

/// Input (N,H,W,C), output (N,OH,OW,C) with the extents of pooled_extent(). A stochastic pooling is
/// computed on CPUs alone.
class Pool final : public Layer {
 public:
  /// All options that the layer states.
  struct Stated {
    PoolKind kind = PoolKind::max;
    Extents kernel = 2;
    PoolOptions options = {};
    bool global = false;  ///< one window over the whole image in the place of the kernel

    template <class Fields>
    void fields(Fields& fields) {
      fields("kind", kind);
      fields("kernel", kernel);
      fields("stride", options.stride);
      fields("pad", options.pad);
      fields("round_up", options.round_up);
      fields("global", global);
      fields("stream", options.stream, std::string("pool"));
    }
  };

  Pool(PoolKind kind, Extents kernel, PoolOptions options = {}) : stated_{kind, kernel, std::move(options)} {}
  /// From a description (model/layer_types.h).
  explicit Pool(Stated stated) : stated_(std::move(stated)) {}
  /// One window over the whole image, whatever its size: the output is (N,1,1,C).
  static Pool global(PoolKind kind) { return Pool(Stated{.kind = kind, .options = {.stride = 1}, .global = true}); }

  std::string_view type() const override { return "pool"; }
  std::optional<Options> options() const override { return options_of(stated_); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    expect_rank(inputs[0], 4, "(N,H,W,C)");
    const auto& [shape, dtype, per_sample] = inputs[0];
    const PoolWindow window = window_on(shape);
    const Shape pooled = window.output_shape(shape);
    LayerPlan plan{.outputs = {{pooled, dtype, per_sample}}, .saved = {}, .state = std::make_unique<Planned>(window)};
    if (window.kind != PoolKind::average) plan.saved.push_back({pooled, DType::i64, per_sample});
    return plan;
  }

  BackwardNeeds needs() const override { return {.inputs = stochastic(), .outputs = false}; }

  void forward(const ForwardArgs& args) const override {
    if (stochastic()) return stochastic_forward(args);
    on_device(args.context,
              [&](auto& device) { pool_forward(device, window(args.state), args.inputs[0], args.outputs[0], indices(args.saved)); });
  }

  void backward(const BackwardArgs& args) const override {
    if (stochastic()) return stochastic_backward(args);
    on_device(args.context, [&](auto& device) {
      pool_backward(device, window(args.state), args.output_gradients[0], indices(args.saved), args.input_gradients[0]);
    });
  }

 private:
  /// The layer's window, or the whole of the planned image: backward gets no input.
  struct Planned final : LayerState {
    explicit Planned(const PoolWindow& of_plan) : window(of_plan) {}
    PoolWindow window;
  };
  bool stochastic() const { return stated_.kind == PoolKind::stochastic; }
  void stochastic_forward(const ForwardArgs& args) const {
    on_cpu(args.context, [&](Cpu& cpu) {
      const Tensor &x = args.inputs[0], &y = args.outputs[0], &drawn = args.saved[0];
      if (args.context.phase == Phase::test) {
        expected_pool_forward(cpu, window(args.state), x, y);
        drawn.clear();
      } else {
        const StepView& step = args.context.step;
        stochastic_pool_forward(cpu, window(args.state),
                                {.seed = step.seed(), .stream = stream_of(stated_.options.stream), .step = step.number()}, x, y, drawn);
      }
    });
  }
  void stochastic_backward(const BackwardArgs& args) const {
    on_cpu(args.context, [&](Cpu& cpu) {
      const Tensor& dy = args.output_gradients[0];
      if (args.context.phase == Phase::test) {
        expected_pool_backward(cpu, window(args.state), args.inputs[0], dy, args.input_gradients[0]);
      } else {
        stochastic_pool_backward(cpu, window(args.state), dy, args.saved[0], args.input_gradients[0]);
      }
    });
  }
  static const PoolWindow& window(const LayerState* state) { return static_cast<const Planned&>(*state).window; }

  PoolWindow window_on(const Shape& image) const {
    const auto& [kind, kernel, options, global] = stated_;
    return {.kind = kind,
            .kernel = global ? Extents{image[1], image[2]} : kernel,
            .stride = options.stride,
            .pad = options.pad,
            .round_up = options.round_up};
  }
  static Tensor indices(std::span<const Tensor> saved) { return saved.empty() ? Tensor() : saved[0]; }

  Stated stated_;
};

}  // namespace amnet
