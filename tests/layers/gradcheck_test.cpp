// Compares every layer's backward with central differences in double (bar N1): four shapes and
// three seeds each.
#include <amnet/layers/add.h>
#include <amnet/layers/batch_norm.h>
#include <amnet/layers/conv2d.h>
#include <amnet/layers/dropout.h>
#include <amnet/layers/flatten.h>
#include <amnet/layers/flip.h>
#include <amnet/layers/fully_connected.h>
#include <amnet/layers/normalize.h>
#include <amnet/layers/pool.h>
#include <amnet/layers/prelu.h>
#include <amnet/layers/relu.h>
#include <amnet/layers/scale_shift.h>
#include <amnet/layers/softmax_cross_entropy.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "layers/fusion.h"
#include "layers/layer_checks.h"

namespace {

using namespace amnet;

/// Values with a distance between them, in random order: no two change their order when one is
/// moved by a step.
std::vector<Tensor> values_apart(const Shape& shape, std::uint64_t seed) {
  Tensor tensor(shape, DType::f64);
  const std::span<double> values = tensor.data<double>();
  const auto count = static_cast<double>(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = (static_cast<double>(i) - count / 2) * 4 / count;
  const Random random(seed, stream_of("order"));
  for (std::size_t i = 0; i + 1 < values.size(); ++i) std::swap(values[i], values[i + random.below(i, values.size() - i)]);
  return {tensor};
}

// A batch of logits, its labels and, for three inputs, one scale per sample. Small cosines, as in a
// new head of many classes.
MakeInputs cosines_and_labels(bool sample_scale) {
  return [sample_scale](const Shape& shape, std::uint64_t seed) {
    std::vector<Tensor> inputs{random_normal(shape, seed, 0.1), random_labels(shape[0], shape[1], seed)};
    if (sample_scale) {
      inputs.push_back(random_normal({shape[0], 1}, seed + 1));
      for (double& value : inputs[2].data<double>()) value = 8 + value;
    }
    return inputs;
  };
}
const std::initializer_list<Shape> logits = {{1, 7}, {5, 3}, {4, 33}, {3, 1}, {9, 130}};

template <class MakeLayer>
void check_margin(MakeLayer make, double margin, bool sample_scale, GradcheckOptions options = {}) {
  const MakeInputs inputs = cosines_and_labels(sample_scale);
  for (const Shape& shape : logits) {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      const std::vector<Tensor> tensors = inputs(shape, seed * 101);
      const std::span<const double> cosines = tensors[0].data<double>();
      const std::span<const std::int64_t> labels = tensors[1].data<std::int64_t>();
      // The reference code's rule has a jump where a target cosine equals the margin.
      options.near_kink = [&](std::string_view tensor, std::int64_t index, double width) {
        return tensor == "input 0" && labels[static_cast<std::size_t>(index / shape[1])] == index % shape[1] &&
               std::abs(cosines[static_cast<std::size_t>(index)] - margin) <= width;
      };
      options.seed = seed;
      auto layer = make();
      const GradcheckResult result = gradcheck(layer, tensors, options);
      INFO("input " << shape.str() << ", seed " << seed << "\n" << result.report());
      REQUIRE(result.passed());
    }
  }
}

const ParameterOptions frozen{.filler = Filler::constant(1), .lr_mult = 0};

/// The AM-Softmax head as one layer: normalised features (N,D) times normalised weight rows, then
/// the loss with a margin.
class AmSoftmaxHead final : public Layer {
 public:
  AmSoftmaxHead(std::int64_t classes, MarginRule rule, bool feature_norm)
      : normalize_({.norm_output = true}),
        cosines_(classes, {.with_bias = false, .row_norm = RowNorm::projected}),
        loss_({.scale = 10, .margin = 0.35, .rule = rule, .sample_scale = !feature_norm}),
        feature_norm_(feature_norm) {}

  std::string_view type() const override { return "am_softmax_head"; }
  void build(std::span<const TensorSpec> inputs) override {
    const LayerPlan unit = normalize_.setup(inputs.first(1));
    cosines_.build({unit.outputs.data(), 1});
  }
  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    const LayerPlan unit = normalize_.setup(inputs.first(1));
    const LayerPlan cosine = cosines_.setup({unit.outputs.data(), 1});
    std::vector<TensorSpec> loss_inputs{cosine.outputs[0], inputs[1]};
    if (!feature_norm_) loss_inputs.push_back(unit.outputs[1]);
    LayerPlan loss = loss_.setup(loss_inputs);
    auto between = std::make_unique<Between>();
    between->unit = make(unit.outputs);
    between->cosine = make(cosine.outputs);
    between->cosine_saved = make(cosine.saved);
    loss.state = std::move(between);
    return loss;
  }
  void forward(const ForwardArgs& args) const override {
    const auto& [unit, cosine, cosine_saved] = between(args.state);
    normalize_.forward({args.context, args.inputs.first(1), unit, {}});
    cosines_.forward({args.context, std::span<const Tensor>(unit).first(1), cosine, cosine_saved});
    loss_.forward({args.context, loss_inputs(args), args.outputs, args.saved});
  }
  void backward(const BackwardArgs& args) const override {
    const auto& [unit, cosine, cosine_saved] = between(args.state);
    const Tensor dcosine(cosine[0].shape(), DType::f64);
    const Tensor dunit(unit[0].shape(), DType::f64);
    const Tensor dnorm = feature_norm_ ? Tensor() : Tensor(unit[1].shape(), DType::f64);
    std::vector<Gradient> into_loss{{dcosine, Write::assign}, {}};
    if (!feature_norm_) into_loss.push_back({dnorm, Write::assign});
    loss_.backward({args.context, loss_inputs(args), {}, args.saved, args.output_gradients, into_loss});
    const Gradient into_unit{dunit, Write::assign};
    cosines_.backward({.context = args.context,
                       .inputs = std::span<const Tensor>(unit).first(1),
                       .outputs = cosine,
                       .saved = cosine_saved,
                       .output_gradients = {&dcosine, 1},
                       .input_gradients = {&into_unit, 1},
                       .parameters = args.parameters,
                       .parameter_gradients = args.parameter_gradients});
    const std::vector<Tensor> slopes{dunit, dnorm};
    normalize_.backward({args.context, {}, unit, {}, slopes, args.input_gradients.first(1)});
  }
  void visit(const ParameterVisitor& visitor) override { cosines_.visit(visitor); }

 private:
  static std::vector<Tensor> make(const std::vector<TensorSpec>& specs) {
    std::vector<Tensor> tensors;
    for (const TensorSpec& spec : specs) tensors.emplace_back(spec.shape, spec.dtype);
    return tensors;
  }
  struct Between final : LayerState {
    std::vector<Tensor> unit, cosine, cosine_saved;
  };
  struct Values {
    const std::vector<Tensor>&unit, &cosine, &cosine_saved;
  };
  static Values between(const LayerState* state) {
    const auto& between = static_cast<const Between&>(*state);
    return {between.unit, between.cosine, between.cosine_saved};
  }
  template <class Args>
  std::vector<Tensor> loss_inputs(const Args& args) const {
    const auto& [unit, cosine, cosine_saved] = between(args.state);
    std::vector<Tensor> tensors{cosine[0], args.inputs[1]};
    if (!feature_norm_) tensors.push_back(unit[1]);
    return tensors;
  }

  Normalize normalize_;
  FullyConnected cosines_;
  SoftmaxCrossEntropy loss_;
  bool feature_norm_;
  std::vector<Tensor> unit_, cosine_, cosine_saved_;
};

}  // namespace

TEST_CASE("gradcheck: convolution", "[gradcheck]") {
  const auto conv = [](std::int64_t outputs, Extents kernel, Conv2dOptions options) {
    return [=] { return Conv2d(outputs, kernel, options); };
  };
  const GradcheckOptions options{.max_elements = 60};
  check_layer(conv(4, 3, {.pad = 1}), {{1, 5, 3, 4}, {2, 3, 7, 1}, {2, 4, 4, 17}, {1, 8, 6, 16}}, options);
  check_layer(conv(3, 3, {.stride = 2, .pad = 1, .with_bias = false}), {{1, 5, 3, 4}, {2, 6, 7, 1}, {2, 4, 4, 17}, {1, 9, 6, 3}}, options);
  check_layer(conv(6, {1, 5}, {.stride = {1, 3}, .pad = {0, 2}, .groups = 2}), {{1, 5, 5, 4}, {2, 3, 7, 2}, {3, 4, 4, 6}, {1, 1, 6, 8}},
              options);
}

TEST_CASE("gradcheck: convolution by tiles", "[gradcheck]") {
  const auto conv = [](std::int64_t stride) { return [=] { return Conv2d(16, 3, {.stride = stride, .pad = 1}); }; };
  for (const ConvolutionAlgorithm algorithm :
       {ConvolutionAlgorithm::winograd_2, ConvolutionAlgorithm::winograd_3, ConvolutionAlgorithm::winograd_4,
        ConvolutionAlgorithm::winograd_5, ConvolutionAlgorithm::winograd_6}) {
    const GradcheckOptions options{.convolution = algorithm, .max_elements = 12};
    check_layer(conv(1), {{1, 7, 6, 16}, {2, 5, 3, 16}, {1, 1, 1, 32}, {3, 4, 9, 16}}, options);
    check_layer(conv(2), {{1, 7, 6, 16}, {2, 5, 3, 16}, {1, 1, 1, 32}, {3, 4, 9, 16}}, options);
  }
}

TEST_CASE("gradcheck: convolution, PReLU and sum in one step", "[gradcheck]") {
  // Biases far from zero, of both signs: no sum comes near the kink of the PReLU.
  const auto draw = [](Parameter& parameter) {
    const std::span<double> values = parameter.value.data<double>();
    const Random random(7, stream_of(parameter.name));
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = parameter.name == "bias" ? (i % 2 == 0 ? 4 : -4) : random.normal(i) * (parameter.name == "weight" ? 0.05 : 1);
    }
  };
  for (const bool adds : {false, true}) {
    for (const bool shared : {false, true}) {
      for (const ConvolutionAlgorithm algorithm : {ConvolutionAlgorithm::direct, ConvolutionAlgorithm::winograd_4}) {
        Conv2d convolution(16, 3, {.pad = 1});
        PRelu prelu({.shared = shared});
        Add add;
        std::vector<Layer*> chain = {&convolution, &prelu};
        if (adds) chain.push_back(&add);
        const std::unique_ptr<Layer> step = fuse(chain, adds ? 2 : 1);
        REQUIRE(step != nullptr);
        std::vector<Tensor> inputs = {random_normal({2, 5, 3, 16}, 11)};
        if (adds) inputs.push_back(random_normal({2, 5, 3, 16}, 12));
        const GradcheckResult result = gradcheck(*step, inputs, {.convolution = algorithm, .max_elements = 40, .draw_parameter = draw});
        INFO(result.report());
        CHECK(result.passed());
      }
    }
  }
}

TEST_CASE("gradcheck: batch normalisation (train)", "[gradcheck]") {
  const std::initializer_list<Shape> shapes = {{1, 5, 3, 4}, {2, 3, 7, 1}, {3, 4, 2, 17}, {8, 19}};
  check_layer([] { return BatchNorm(); }, shapes);
  check_layer([] { return BatchNorm({.affine = false}); }, shapes);
  check_layer([] { return BatchNorm({.epsilon = 0.1, .scale = frozen}); }, shapes);
}

TEST_CASE("gradcheck: batch normalisation (inference)", "[gradcheck]") {
  check_layer([] { return BatchNorm(); }, images_or_rows, {.phase = Phase::test});
  check_layer([] { return BatchNorm({.affine = false}); }, images_or_rows, {.phase = Phase::test});
  check_layer([] { return BatchNorm({.stored_statistics = true}); }, images_or_rows);
}

TEST_CASE("gradcheck: prelu", "[gradcheck]") {
  check_layer([] { return PRelu(); }, images_or_rows, {.kinks = {{"input 0", 0}}});
  check_layer([] { return PRelu({.shared = true}); }, images_or_rows, {.kinks = {{"input 0", 0}}});
}

TEST_CASE("gradcheck: relu", "[gradcheck]") {
  check_layer([] { return Relu(); }, images_or_rows, {.kinks = {{"input 0", 0}}});
}

TEST_CASE("gradcheck: fully connected", "[gradcheck]") {
  const std::initializer_list<Shape> rows = {{1, 7}, {5, 4}, {3, 33}, {2, 64}};
  for (const RowNorm norm : {RowNorm::none, RowNorm::projected}) {
    for (const bool bias : {true, false}) {
      check_layer([&] { return FullyConnected(5, {.with_bias = bias, .row_norm = norm}); }, rows, {.max_elements = 60});
      check_layer([&] { return FullyConnected(1, {.with_bias = bias, .row_norm = norm}); }, rows, {.max_elements = 60});
    }
  }
}

TEST_CASE("gradcheck: l2 normalise", "[gradcheck]") {
  const std::initializer_list<Shape> shapes = {{1, 5, 3, 6}, {2, 3, 2, 1}, {3, 4, 2, 17}, {6, 40}};
  check_layer([] { return Normalize(); }, shapes);
  check_layer([] { return Normalize({.norm_output = true}); }, shapes);
  check_layer([] { return Normalize({.epsilon = 0.5, .norm_output = true}); }, shapes);
}

TEST_CASE("gradcheck: element-wise sum", "[gradcheck]") {
  for (const std::size_t count : {2U, 3U, 4U}) {
    check_layer([] { return Add(); }, images_or_rows, {},
                [count](const Shape& shape, std::uint64_t seed) {
                  std::vector<Tensor> inputs;
                  for (std::size_t i = 0; i < count; ++i) inputs.push_back(random_normal(shape, seed + i));
                  return inputs;
                });
  }
}

TEST_CASE("gradcheck: scale and shift", "[gradcheck]") {
  for (const bool shared : {false, true}) {
    for (const bool with_shift : {false, true}) {
      check_layer([&] { return ScaleShift({.shared = shared, .with_shift = with_shift}); }, images_or_rows);
      check_layer([&] { return ScaleShift({.shared = shared, .with_shift = with_shift, .scale = frozen}); }, images_or_rows);
    }
  }
}

TEST_CASE("gradcheck: max pooling", "[gradcheck]") {
  check_layer([] { return Pool(PoolKind::max, 2); }, images, {}, values_apart);
  check_layer([] { return Pool(PoolKind::max, 3, {.pad = 1}); }, images, {}, values_apart);
  check_layer([] { return Pool(PoolKind::max, {1, 3}, {.stride = 1, .round_up = false}); }, images, {}, values_apart);
}

TEST_CASE("gradcheck: average pooling", "[gradcheck]") {
  check_layer([] { return Pool(PoolKind::average, 2); }, images);
  check_layer([] { return Pool(PoolKind::average, 3, {.pad = 1}); }, images);
  check_layer([] { return Pool(PoolKind::average, {1, 3}, {.stride = {3, 1}, .round_up = false}); }, images);
}

TEST_CASE("gradcheck: global pooling", "[gradcheck]") {
  check_layer([] { return Pool::global(PoolKind::average); }, images);
  check_layer([] { return Pool::global(PoolKind::max); }, images, {}, values_apart);
}

TEST_CASE("gradcheck: dropout", "[gradcheck]") {
  for (const double ratio : {0.0, 0.3, 0.75}) {
    check_layer([&] { return Dropout({.ratio = ratio}); }, images_or_rows, {.step = {.number = 7, .seed = 3}});
  }
  check_layer([] { return Dropout(); }, images_or_rows, {.phase = Phase::test});
}

TEST_CASE("gradcheck: flatten", "[gradcheck]") {
  check_layer([] { return Flatten(); }, {{1, 5, 3, 4}, {2, 3, 7, 1}, {2, 7, 6, 18}, {4, 19}});
}

TEST_CASE("gradcheck: flip", "[gradcheck]") {
  check_layer([] { return Flip(); }, images);
}

TEST_CASE("gradcheck: softmax cross-entropy", "[gradcheck]") {
  for (const double scale : {1.0, 30.0}) check_margin([&] { return SoftmaxCrossEntropy({.scale = scale}); }, 0, false);
}

TEST_CASE("gradcheck: softmax cross-entropy with a margin", "[gradcheck]") {
  for (const MarginRule rule : {MarginRule::always, MarginRule::cos_gt_m}) {
    for (const double margin : {0.05, 0.35}) {
      for (const bool sample_scale : {false, true}) {
        check_margin([&] { return SoftmaxCrossEntropy({.scale = 30, .margin = margin, .rule = rule, .sample_scale = sample_scale}); },
                     margin, sample_scale);
      }
    }
    const MarginSchedule schedule{.gamma = -5e-5, .min = -0.4};  // a margin of 0.05 at step 1000
    check_margin([&] { return SoftmaxCrossEntropy({.rule = rule, .schedule = schedule, .sample_scale = true}); }, 0.05, true,
                 {.step = {.number = 1000}});
    check_margin([&] { return SoftmaxCrossEntropy({.margin = 0.05, .rule = rule}); }, 0.05, false, {.phase = Phase::test});
  }
}

TEST_CASE("gradcheck: am-softmax head", "[gradcheck]") {
  const MakeInputs inputs = [](const Shape& shape, std::uint64_t seed) {
    return std::vector<Tensor>{random_normal(shape, seed), random_labels(shape[0], 11, seed)};
  };
  for (const bool feature_norm : {true, false}) {
    for (const MarginRule rule : {MarginRule::always, MarginRule::cos_gt_m}) {
      check_layer([&] { return AmSoftmaxHead(11, rule, feature_norm); }, {{1, 12}, {5, 16}, {3, 33}, {8, 24}}, {.max_elements = 100},
                  inputs);
    }
  }
}
