// Three layers that give a test access to a net: a value that takes a gradient, a gradient that is
// copied, and a given gradient.
#pragma once

#include <amnet/layers/layer.h>

#include <memory>
#include <vector>

namespace golden {

inline void write(const amnet::Gradient& gradient, const amnet::Tensor& values) {
  if (!gradient) return;
  const auto from = values.data<float>();
  const auto to = gradient.tensor.data<float>();
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = gradient.write == amnet::Write::add ? to[i] + from[i] : from[i];
}

/// An input that takes a gradient: it is the parameter "value".
class Source final : public amnet::Layer {
 public:
  explicit Source(amnet::Shape shape, bool per_sample = true) : shape_(shape), per_sample_(per_sample) {}
  std::string_view type() const override { return "source"; }
  void build(std::span<const amnet::TensorSpec>) override { create(value_, "value", shape_, amnet::DType::f32, {}); }
  amnet::LayerPlan setup(std::span<const amnet::TensorSpec>) const override {
    return {.outputs = {{shape_, amnet::DType::f32, per_sample_}}, .saved = {}};
  }
  void forward(const amnet::ForwardArgs& args) const override { args.outputs[0].copy_from(value_.value); }
  void backward(const amnet::BackwardArgs& args) const override { write(args.gradient_of(value_), args.output_gradients[0]); }
  void visit(const amnet::ParameterVisitor& visitor) override { visitor(value_); }

 private:
  amnet::Shape shape_;
  bool per_sample_;
  amnet::Parameter value_;
};

/// The identity; it stores a copy of the passing gradient in `seen`.
class Tap final : public amnet::Layer {
 public:
  explicit Tap(std::shared_ptr<amnet::Tensor> seen) : seen_(std::move(seen)) {}
  std::string_view type() const override { return "tap"; }
  amnet::LayerPlan setup(std::span<const amnet::TensorSpec> inputs) const override { return {.outputs = {inputs[0]}, .saved = {}}; }
  amnet::BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }
  void forward(const amnet::ForwardArgs& args) const override { args.outputs[0].copy_from(args.inputs[0]); }
  void backward(const amnet::BackwardArgs& args) const override {
    *seen_ = args.output_gradients[0].clone();
    write(args.input_gradients[0], args.output_gradients[0]);
  }

 private:
  std::shared_ptr<amnet::Tensor> seen_;
};

/// A loss whose gradients to its inputs are the given tensors.
class GivenGradients final : public amnet::Layer {
 public:
  explicit GivenGradients(std::shared_ptr<std::vector<amnet::Tensor>> gradients) : gradients_(std::move(gradients)) {}
  std::string_view type() const override { return "given_gradients"; }
  amnet::LayerPlan setup(std::span<const amnet::TensorSpec>) const override {
    return {.outputs = {{amnet::Shape{1}, amnet::DType::f32, false}}, .saved = {}};
  }
  amnet::BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }
  void forward(const amnet::ForwardArgs& args) const override { args.outputs[0].clear(); }
  void backward(const amnet::BackwardArgs& args) const override {
    for (std::size_t i = 0; i < gradients_->size(); ++i) write(args.input_gradients[i], (*gradients_)[i]);
  }

 private:
  std::shared_ptr<std::vector<amnet::Tensor>> gradients_;
};

}  // namespace golden
