// A small net on points in the plane, with a layer type that only the tests have: it trains in
// milliseconds.
//
//   SmallTraining small;
//   Trainer trainer(small.device, small.model, small.source, {.steps = 20});
#pragma once

#include <amnet/core/random.h>
#include <amnet/layers/accuracy.h>
#include <amnet/layers/batch_norm.h>
#include <amnet/layers/dropout.h>
#include <amnet/layers/fully_connected.h>
#include <amnet/layers/relu.h>
#include <amnet/layers/softmax_cross_entropy.h>
#include <amnet/model/model.h>
#include <amnet/train/tensor_source.h>
#include <amnet/train/trainer.h>

#include <bit>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace amnet::small_training {

struct GainOptions {
  struct Start {
    double value = 1;
    template <class Fields>
    void fields(Fields& fields) {
      fields("value", value);
    }
  } start;
  std::string name = "gain";

  template <class Fields>
  void fields(Fields& fields) {
    fields("start", start);
    fields("name", name);
  }
};

/// Two outputs, gain * x and -gain * x, with a learned gain (1) and a buffer that counts training
/// passes.
class Gain final : public Layer {
 public:
  explicit Gain(GainOptions options = {}) : options_(std::move(options)) {}
  std::string_view type() const override { return "gain"; }
  std::optional<Options> options() const override { return options_of(options_); }
  void build(std::span<const TensorSpec> inputs) override {
    create(gain_, "gain", {1}, inputs[0].dtype, {.filler = Filler::constant(options_.start.value)});
    create(passes_, "passes", {1}, inputs[0].dtype, {.filler = Filler::constant(0)});
    passes_.buffer = true;
  }
  LayerPlan setup(std::span<const TensorSpec> inputs) const override { return {.outputs = {inputs[0], inputs[0]}}; }
  void forward(const ForwardArgs& args) const override {
    const auto x = args.inputs[0].data<float>(), plus = args.outputs[0].data<float>(), minus = args.outputs[1].data<float>();
    const float gain = gain_.value.data<float>()[0];
    for (std::size_t i = 0; i < x.size(); ++i) plus[i] = gain * x[i], minus[i] = -gain * x[i];
    if (args.context.phase == Phase::train) passes_.value.data<float>()[0] += 1;
  }
  void backward(const BackwardArgs& args) const override {
    const auto x = args.inputs[0].data<float>();
    const auto of = [&](std::size_t output, std::size_t i) {
      const Tensor& gradient = args.output_gradients[output];
      return gradient.defined() ? gradient.data<float>()[i] : 0.0F;
    };
    float sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float difference = of(0, i) - of(1, i);
      sum += difference * x[i];
      if (const Gradient& dx = args.input_gradients[0]) {
        float& value = dx.tensor.data<float>()[i];
        value = gain_.value.data<float>()[0] * difference + (dx.write == Write::add ? value : 0);
      }
    }
    const Gradient into = args.gradient_of(gain_);
    if (!into) return;
    float& value = into.tensor.data<float>()[0];
    value = sum + (into.write == Write::add ? value : 0);
  }
  void visit(const ParameterVisitor& visitor) override {
    visitor(gain_);
    visitor(passes_);
  }

 private:
  GainOptions options_;
  Parameter gain_, passes_;
};

inline const LayerType own_types[] = {layer_type<Gain, GainOptions>("gain")};

/// Points (300,2) and whether they are inside the unit circle.
inline std::vector<NamedTensor> circle() {
  constexpr std::int64_t count = 300;
  const Tensor points({count, 2}, DType::f32), labels({count}, DType::i64);
  const Random random(3);
  std::uint64_t draw = 0;
  for (std::int64_t n = 0; n < count; ++n) {
    const auto row = points.slice(n, n + 1).data<float>();
    for (float& coordinate : row) coordinate = static_cast<float>(random.uniform(draw++, -1.3, 1.3));
    labels.data<std::int64_t>()[static_cast<std::size_t>(n)] = row[0] * row[0] + row[1] * row[1] < 1 ? 1 : 0;
  }
  return {{"points", points}, {"labels", labels}};
}

/// points -> fully connected -> batch norm -> relu -> gain -> dropout -> fully connected -> loss
/// and accuracy
inline Model small_model() {
  Model model{.roles = {.labels = "labels", .loss = "loss", .metrics = {{"accuracy", "accuracy"}}},
              .own = {std::begin(own_types), std::end(own_types)}};
  Net& net = model.net;
  const Value points = net.input("points", {1, 2}), labels = net.input("labels", {1}, DType::i64);
  const Value normal = net.add("norm", BatchNorm(), {net.add("fc1", FullyConnected(16), {points})});
  const Value both = net.add("gain", Gain({.start = {.value = 0.5}}), {net.add("relu", Relu(), {normal})});
  const Value dropped = net.add("drop", Dropout({.ratio = 0.1, .stream = "drop"}), {net.output(both, 1)});
  const Value sides = net.add("fc2", FullyConnected(2), {dropped});
  net.add("loss", SoftmaxCrossEntropy(), {sides, labels});
  net.add("accuracy", Accuracy(), {sides, labels});
  return model;
}

struct SmallTraining {
  Device device = Cpu(1);
  Model model = small_model();
  TensorSource source{circle(), {.batch = 20, .seed = 7}};
};

/// Every parameter and buffer, to compare bits.
inline std::map<std::string, std::vector<std::uint32_t>> bits_of(const Net& net) {
  std::map<std::string, std::vector<std::uint32_t>> bits;
  net.look([&](const std::string& name, const Parameter& parameter) {
    for (const float value : parameter.value.data<float>()) bits[name].push_back(std::bit_cast<std::uint32_t>(value));
  });
  return bits;
}

}  // namespace amnet::small_training
