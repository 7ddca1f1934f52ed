// Tensors joined along an axis.
//
//   Value joined = net.add("join", Concat({.axis = 3}), {conv, other});   // the channels of both
#pragma once

#include <amnet/kernels/axis_part.h>
#include <amnet/layers/layer.h>

#include <memory>
#include <utility>
#include <vector>

namespace amnet {

struct ConcatOptions {
  int axis = 1;

  template <class Fields>
  void fields(Fields& fields) {
    fields("axis", axis);
  }
};

/// One or more inputs of one dtype, which may be any, and of the same extents but that of the axis;
/// output with the sum of theirs. Along axis 0 the output is not per sample, and a run must have
/// all samples that were planned; so too where the inputs are not all per sample.
class Concat final : public Layer {
 public:
  explicit Concat(ConcatOptions options = {}) : axis_(options.axis) {
    require(axis_ >= 0 && axis_ < Shape::max_rank, "[concat] expected an axis in [0, {}) but got {}.", static_cast<int>(Shape::max_rank),
            axis_);
  }

  std::string_view type() const override { return "concat"; }
  std::optional<Options> options() const override { return options_of(ConcatOptions{axis_}); }

  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    require(!inputs.empty(), "[concat] expected one or more inputs but got none.");
    TensorSpec output = inputs[0];
    require(axis_ < output.shape.rank(), "[concat] expected an input with an axis {} but got {}.", axis_, output.shape);
    auto planned = std::make_unique<Planned>();
    std::int64_t extent = 0;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto& [shape, dtype, per_sample] = inputs[i];
      const bool fits = shape.rank() == output.shape.rank() && shape.with(axis_, output.shape[axis_]) == output.shape;
      require(fits && dtype == output.dtype, "[concat] expected inputs alike but along axis {}; input 0 is {} {} and input {} is {} {}.",
              axis_, name_of(output.dtype), output.shape, i, name_of(dtype), shape);
      planned->extents.push_back(shape[axis_]);
      extent += shape[axis_];
      output.per_sample = output.per_sample && per_sample;
    }
    output.shape = output.shape.with(axis_, extent);
    output.per_sample = output.per_sample && axis_ != 0;
    return {.outputs = {output}, .saved = {}, .state = std::move(planned)};
  }

  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }

  bool sample_wise() const override { return axis_ != 0; }

  void forward(const ForwardArgs& args) const override {
    const Tensor& y = args.outputs[0];
    std::int64_t count = 0;
    for (const Tensor& x : args.inputs) count += x.count();
    require(count == y.count(), "[concat] expected all samples, to make {}, but got {} elements of {}; plan for so many samples.",
            y.shape(), count, y.count());
    on_device(args.context, [&](auto& device) {
      std::int64_t begin = 0;
      for (const Tensor& x : args.inputs) {
        put_part(device, x, {y, Write::assign}, axis_, begin);
        begin += x.extent(axis_);
      }
    });
  }

  void backward(const BackwardArgs& args) const override {
    const std::vector<std::int64_t>& extents = static_cast<const Planned&>(*args.state).extents;
    on_device(args.context, [&](auto& device) {
      std::int64_t begin = 0;
      for (std::size_t i = 0; i < extents.size(); ++i) {
        take_part(device, args.output_gradients[0], axis_, begin, args.input_gradients[i]);
        begin += extents[i];
      }
    });
  }

 private:
  struct Planned final : LayerState {
    std::vector<std::int64_t> extents;  // of each input, along the axis
  };

  int axis_;
};

}  // namespace amnet
