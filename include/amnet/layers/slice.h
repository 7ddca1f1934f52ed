// A tensor cut apart along an axis.
//
//   Value first = net.add("halves", Slice({.axis = 3, .parts = 2}), {conv});   // of the channels
//   Value second = net.output(first, 1);
#pragma once

#include <amnet/core/text.h>
#include <amnet/kernels/axis_part.h>
#include <amnet/layers/layer.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

namespace amnet {

struct SliceOptions {
  int axis = 1;
  std::vector<std::int64_t> points = {};  ///< where the second, third, ... part begins
  std::int64_t parts = 1;                 ///< without points: so many equal parts

  template <class Fields>
  void fields(Fields& fields) {
    fields("axis", axis);
    fields("points", points);
    fields("parts", parts);
  }
};

/// Input of any shape and dtype; one output for each part, with the extent of the part along the
/// axis. Along axis 0 the outputs are not per sample, a run must have all samples that were
/// planned, and the placeholder of the batch must have such parts too.
class Slice final : public Layer {
 public:
  explicit Slice(SliceOptions options) : options_(std::move(options)) {
    const auto& [axis, points, parts] = options_;
    require(axis >= 0 && axis < Shape::max_rank, "[slice] expected an axis in [0, {}) but got {}.", static_cast<int>(Shape::max_rank),
            axis);
    const bool rise = std::ranges::adjacent_find(points, std::ranges::greater_equal()) == points.end();
    require(points.empty() || (rise && points[0] >= 1), "[slice] expected points that rise from 1 on but got {}.", list_text(points));
    require(points.empty() ? parts >= 1 : parts == 1, "[slice] expected points, or a number of parts >= 1, but got {} points and {} parts.",
            points.size(), parts);
  }

  std::string_view type() const override { return "slice"; }
  std::optional<Options> options() const override { return options_of(options_); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    const auto& [shape, dtype, per_sample] = inputs[0];
    require(options_.axis < shape.rank(), "[slice] expected an input with an axis {} but got {}.", options_.axis, shape);
    const std::int64_t extent = shape[options_.axis];
    auto planned = std::make_unique<Planned>();
    planned->ends = options_.points;
    if (options_.points.empty()) {
      require(extent % options_.parts == 0, "[slice] expected an input whose axis {} has {} equal parts but got {}.", options_.axis,
              options_.parts, shape);
      for (std::int64_t part = 1; part < options_.parts; ++part) planned->ends.push_back(extent / options_.parts * part);
    } else {
      require(options_.points.back() < extent, "[slice] expected points below the extent {} of axis {} but got {}.", extent, options_.axis,
              options_.points.back());
    }
    planned->ends.push_back(extent);
    LayerPlan plan;
    std::int64_t begin = 0;
    for (const std::int64_t end : planned->ends) {
      plan.outputs.push_back({shape.with(options_.axis, end - begin), dtype, per_sample && options_.axis != 0});
      begin = end;
    }
    plan.state = std::move(planned);
    return plan;
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }

  bool sample_wise() const override { return options_.axis != 0; }

  void forward(const ForwardArgs& args) const override {
    const Tensor& x = args.inputs[0];
    require(x.extent(options_.axis) == ends(args.state).back(),
            "[slice] expected all {} samples that were planned but got {}; the parts are cut from the batch.", ends(args.state).back(),
            x.extent(options_.axis));
    on_device(args.context, [&](auto& device) {
      for_parts(args.state, [&](std::size_t k, std::int64_t begin, std::int64_t) {
        take_part(device, x, options_.axis, begin, {args.outputs[k], Write::assign});
      });
    });
  }

  void backward(const BackwardArgs& args) const override {
    const Gradient& dx = args.input_gradients[0];
    if (!dx) return;
    on_device(args.context, [&](auto& device) {
      for_parts(args.state, [&](std::size_t k, std::int64_t begin, std::int64_t end) {
        const Tensor& dy = args.output_gradients[k];
        if (dy.defined()) {
          put_part(device, dy, dx, options_.axis, begin);
        } else if (dx.write == Write::assign) {  // no loss depends on the part
          clear_part(device, dx.tensor, options_.axis, begin, end - begin);
        }
      });
    });
  }

 private:
  struct Planned final : LayerState {
    std::vector<std::int64_t> ends;  // of each part
  };
  static const std::vector<std::int64_t>& ends(const LayerState* state) { return static_cast<const Planned&>(*state).ends; }

  template <class Body>
  static void for_parts(const LayerState* state, Body&& body) {
    std::int64_t begin = 0;
    for (std::size_t k = 0; k < ends(state).size(); ++k) {
      body(k, begin, ends(state)[k]);
      begin = ends(state)[k];
    }
  }

  SliceOptions options_;
};

}  // namespace amnet
