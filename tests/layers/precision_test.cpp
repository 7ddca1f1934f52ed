// Compares every layer in f32 with itself in f64 (bar N2: 1e-5), and its bits with 1, 2 and 4
// threads.
#include <amnet/layers/accuracy.h>
#include <amnet/layers/add.h>
#include <amnet/layers/angular_margin.h>
#include <amnet/layers/batch_norm.h>
#include <amnet/layers/broadcast.h>
#include <amnet/layers/center_loss.h>
#include <amnet/layers/combine.h>
#include <amnet/layers/concat.h>
#include <amnet/layers/contrastive_loss.h>
#include <amnet/layers/conv2d_transpose.h>
#include <amnet/layers/distance.h>
#include <amnet/layers/dropout.h>
#include <amnet/layers/euclidean_loss.h>
#include <amnet/layers/flatten.h>
#include <amnet/layers/flip.h>
#include <amnet/layers/hard_margin.h>
#include <amnet/layers/lse_margin.h>
#include <amnet/layers/matrix_product.h>
#include <amnet/layers/normalize.h>
#include <amnet/layers/permute.h>
#include <amnet/layers/pool.h>
#include <amnet/layers/power.h>
#include <amnet/layers/prelu.h>
#include <amnet/layers/proxy_contrastive_loss.h>
#include <amnet/layers/proxy_triplet_loss.h>
#include <amnet/layers/reduce.h>
#include <amnet/layers/relu.h>
#include <amnet/layers/sample_scale.h>
#include <amnet/layers/scale_shift.h>
#include <amnet/layers/sigmoid.h>
#include <amnet/layers/slice.h>
#include <amnet/layers/softmax.h>
#include <amnet/layers/softmax_cross_entropy.h>
#include <amnet/layers/sphere_product.h>
#include <amnet/layers/tanh.h>
#include <amnet/layers/target_margin.h>
#include <amnet/layers/target_rescale.h>

#include <cmath>
#include <memory>
#include <vector>

#include "catch.h"

namespace {

using namespace amnet;

Tensor random_values(const Shape& shape, std::uint64_t seed, double deviation = 1, double mean = 0) {
  Tensor tensor(shape, DType::f32);
  const Random random(seed);
  for (std::size_t i = 0; i < tensor.data<float>().size(); ++i)
    tensor.data<float>()[i] = static_cast<float>(mean + deviation * random.normal(i));
  return tensor;
}

Tensor in(DType dtype, const Tensor& tensor) { return tensor.dtype() == DType::f32 ? tensor.cast(dtype) : tensor.clone(); }

/// Outputs and then all gradients of one forward and backward pass, with the same values as in an
/// f32 run, in the given dtype.
std::vector<Tensor> run(Layer& layer, const std::vector<Tensor>& inputs, DType dtype, int threads) {
  Device device = Cpu(threads);
  Context context{.device = device, .phase = Phase::train, .step = Step{.number = 3, .seed = 4}};
  std::vector<Tensor> values;
  std::vector<TensorSpec> specs;
  for (const Tensor& input : inputs) {
    values.push_back(in(dtype, input));
    specs.push_back({input.shape(), values.back().dtype()});
  }
  layer.build(specs);
  const LayerPlan plan = layer.setup(specs);
  std::vector<ParameterGradient> parameter_gradients;
  layer.visit([&](Parameter& parameter) {
    parameter.value.copy_from(random_values(parameter.value.shape(), stream_of(parameter.name), 0.3, 1).cast(dtype));
    if (parameter.trainable()) parameter_gradients.push_back({&parameter, Tensor(parameter.value.shape(), dtype)});
  });
  std::vector<Tensor> outputs, saved, scratch, slopes, results;
  for (const TensorSpec& spec : plan.outputs) {
    outputs.emplace_back(spec.shape, spec.dtype);
    slopes.push_back(random_values(spec.shape, 77).cast(dtype));
  }
  for (const TensorSpec& spec : plan.saved) saved.emplace_back(spec.shape, spec.dtype);
  for (const TensorSpec& spec : plan.scratch) scratch.emplace_back(spec.shape, spec.dtype);
  std::vector<Gradient> gradients;
  for (const Tensor& value : values) {
    const bool wanted = value.dtype() == dtype;
    gradients.push_back(wanted ? Gradient{Tensor(value.shape(), dtype), Write::assign} : Gradient{});
  }
  LayerState* const state = plan.state.get();
  layer.forward({context, values, outputs, saved, {}, state});
  for (const Tensor& output : outputs) results.push_back(output.clone());
  if (layer.differentiable()) {
    layer.backward({context, values, outputs, saved, slopes, gradients, Write::assign, {}, scratch, parameter_gradients, state});
    for (const Gradient& gradient : gradients) {
      if (gradient) results.push_back(gradient.tensor);
    }
  }
  for (const ParameterGradient& one : parameter_gradients) results.push_back(one.gradient);
  layer.look([&](const Parameter& parameter) {
    if (!parameter.trainable()) results.push_back(parameter.value);
  });
  return results;
}

struct Case {
  std::string name;
  std::function<std::unique_ptr<Layer>()> make;
  std::vector<Tensor> inputs;
};

template <class L, class... Args>
Case layer_case(std::string name, std::vector<Tensor> inputs, Args... args) {
  return {std::move(name), [=] { return std::make_unique<L>(args...); }, std::move(inputs)};
}

// Several pieces of work each, so that threads can divide them.
std::vector<Case> cases() {
  const Tensor image = random_values({3, 31, 21, 19}, 1);
  const Tensor rows = random_values({64, 700}, 2);
  const Tensor cosines = random_values({32, 1500}, 3, 0.05);
  const Tensor norms = random_values({32, 1}, 4, 1, 12);
  const Tensor distances = random_values({32, 1500}, 12, 0.2, 1.2);
  Tensor labels({32}, DType::i64);
  for (std::size_t i = 0; i < 32; ++i) labels.data<std::int64_t>()[i] = static_cast<std::int64_t>(i * 46);
  return {
      layer_case<PRelu>("prelu", {image}),
      layer_case<PRelu>("prelu shared", {image}, PReluOptions{.shared = true}),
      layer_case<Relu>("relu", {image}),
      layer_case<Add>("add", {image, random_values(image.shape(), 9), random_values(image.shape(), 10)}),
      layer_case<ScaleShift>("scale_shift", {image}, ScaleShiftOptions{.with_shift = true}),
      layer_case<ScaleShift>("scale_shift shared", {image}, ScaleShiftOptions{.shared = true, .with_shift = true}),
      layer_case<BatchNorm>("batch_norm", {random_values(image.shape(), 5, 2, 3)}),
      layer_case<BatchNorm>("batch_norm stored", {image}, BatchNormOptions{.stored_statistics = true}),
      layer_case<Normalize>("normalize", {rows}, NormalizeOptions{.norm_output = true}),
      layer_case<Pool>("pool max", {image}, PoolKind::max, 3),
      layer_case<Pool>("pool average", {image}, PoolKind::average, 3),
      layer_case<Dropout>("dropout", {image}),
      layer_case<Flatten>("flatten", {image}),
      layer_case<Flip>("flip", {image}),
      layer_case<Flip>("flip of lines", {image}, FlipOptions{.width = false, .height = true}),
      layer_case<Relu>("relu leaky", {image}, ReluOptions{.negative_slope = 0.1}),
      layer_case<Tanh>("tanh", {image}),
      layer_case<Sigmoid>("sigmoid", {image}),
      layer_case<Power>("power", {image}, PowerOptions{.power = 3, .scale = 0.5, .shift = 1}),
      layer_case<Combine>("combine product", {image, random_values(image.shape(), 9)}, CombineOptions{.operation = Combination::product}),
      layer_case<Combine>("combine maximum", {image, random_values(image.shape(), 9)}, CombineOptions{.operation = Combination::maximum}),
      layer_case<Permute>("permute", {image}, PermuteOptions{.order = {0, 3, 1, 2}}),
      layer_case<Concat>("concat", {image, random_values(image.shape(), 9)}, ConcatOptions{.axis = 3}),
      layer_case<Slice>("slice", {image}, SliceOptions{.axis = 3, .points = {4, 9}}),
      layer_case<Reduce>("reduce", {random_values(image.shape(), 5, 2, 3)}, ReduceOptions{.operation = Reduction::mean, .axis = 1}),
      layer_case<Reduce>("reduce to one", {image}, ReduceOptions{.operation = Reduction::sum_of_squares}),
      layer_case<Softmax>("softmax alone", {rows}),
      layer_case<Broadcast>("broadcast", {image}, BroadcastOptions{.axis = 1, .axes = 2, .add = BroadcastFrom::parameter}),
      layer_case<Broadcast>("broadcast one", {random_values(image.shape(), 5, 2, 3)},
                            BroadcastOptions{.axes = 0, .add = BroadcastFrom::parameter}),
      layer_case<SoftmaxCrossEntropy>("softmax", {cosines, labels}, SoftmaxCrossEntropyOptions{.scale = 30, .margin = 0.35}),
      layer_case<SoftmaxCrossEntropy>("softmax scaled", {cosines, labels, norms},
                                      SoftmaxCrossEntropyOptions{.margin = 0.02, .rule = MarginRule::cos_gt_m, .sample_scale = true}),
      layer_case<Accuracy>("accuracy", {cosines, labels}),
      layer_case<AngularMargin>("angular_margin", {cosines, labels}, AngularMarginLayerOptions{.margin_output = true}),
      layer_case<Distance>("distance", {rows}, std::int64_t{90}),
      layer_case<Distance>("distance l1", {rows}, std::int64_t{90},
                           DistanceOptions{.kind = DistanceKind::l1, .row_norm = RowNorm::projected}),
      layer_case<HardMargin>("hard_margin", {cosines, labels}, HardMarginOptions{.margin_output = true}),
      layer_case<LseMargin>("lse_margin", {cosines, labels}, LseMarginLayerOptions{.statistics = true}),
      layer_case<LseMargin>("lse_margin by norms", {cosines, labels, norms}, LseMarginLayerOptions{.feature_norm = true}),
      layer_case<SampleScale>("sample_scale", {cosines, norms}),
      layer_case<SampleScale>("sample_scale global", {cosines, norms}, SampleScaleOptions{.global = GlobalScaleOptions{.output = true}}),
      layer_case<SphereProduct>("sphere_product", {random_values({32, 700}, 6), labels}, std::int64_t{1500}),
      layer_case<TargetMargin>("target_margin", {cosines, labels}, TargetMarginOptions{.margin = 0.35, .margin_output = true}),
      layer_case<TargetRescale>("target_rescale", {cosines, labels},
                                TargetRescaleLayerOptions{.positive_weight = 0.7, .negative_weight = 1.1, .keeps_one = true}),
      layer_case<Accuracy>("accuracy of 5", {cosines, labels}, AccuracyOptions{.top_k = 5, .ignore_label = 46, .per_class = true}),
      layer_case<SoftmaxCrossEntropy>("softmax weighted", {cosines, labels, norms},
                                      SoftmaxCrossEntropyOptions{.scale = 30, .ignore_label = 46, .sample_weights = true}),
      layer_case<BatchNorm>("batch_norm not centered", {image}, BatchNormOptions{.centered = false}),
      layer_case<Normalize>("normalize l1", {rows}, NormalizeOptions{.norm_output = true, .kind = NormKind::l1}),
      layer_case<Pool>("pool stochastic", {random_values(image.shape(), 6, 0.1, 1)}, PoolKind::stochastic, 3),
      layer_case<Conv2dTranspose>("conv2d_transpose", {image}, 8, 3, Conv2dOptions{.stride = 2}),
      layer_case<MatrixProduct>("matrix_product", {rows, random_values({90, 700}, 7)}),
      layer_case<EuclideanLoss>("euclidean_loss", {image, random_values(image.shape(), 8)}),
      layer_case<ContrastiveLoss>("contrastive_loss", {cosines, random_values(cosines.shape(), 11, 0.05), labels}),
      layer_case<CenterLoss>("center_loss", {cosines, labels}, 1500),
      layer_case<ProxyContrastiveLoss>("proxy_contrastive_loss", {distances, labels}),
      layer_case<ProxyTripletLoss>("proxy_triplet_loss", {distances, labels}),
  };
}

}  // namespace

TEST_CASE("precision: f32 outputs and gradients equal those of f64 to 1e-5", "[precision]") {
  for (const Case& each : cases()) {
    const std::vector<Tensor> single = run(*each.make(), each.inputs, DType::f32, 2);
    const std::vector<Tensor> exact = run(*each.make(), each.inputs, DType::f64, 2);
    REQUIRE(single.size() == exact.size());
    for (std::size_t t = 0; t < single.size(); ++t) {
      const auto a = single[t].data<float>();
      const auto b = exact[t].data<double>();
      double error = 0, square = 0;
      for (std::size_t i = 0; i < a.size(); ++i) {
        error += (a[i] - b[i]) * (a[i] - b[i]);
        square += b[i] * b[i];
      }
      INFO(each.name << ", tensor " << t << " " << single[t].shape().str());
      CHECK(std::sqrt(error) <= 1e-5 * std::sqrt(square));
    }
  }
}

TEST_CASE("precision: 1, 2 and 4 threads give the same bits", "[precision]") {
  for (const Case& each : cases()) {
    const std::vector<Tensor> one = run(*each.make(), each.inputs, DType::f32, 1);
    for (const int threads : {2, 4}) {
      const std::vector<Tensor> more = run(*each.make(), each.inputs, DType::f32, threads);
      for (std::size_t t = 0; t < one.size(); ++t) {
        INFO(each.name << ", tensor " << t << ", " << threads << " threads");
        CHECK(std::memcmp(one[t].raw(), more[t].raw(), one[t].size_bytes()) == 0);
      }
    }
  }
}
