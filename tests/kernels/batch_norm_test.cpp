#include <amnet/layers/batch_norm.h>

#include <cmath>
#include <map>

#include "catch.h"

namespace {

using namespace amnet;

std::map<std::string, Tensor> parameters_of(Layer& layer) {
  std::map<std::string, Tensor> parameters;
  layer.visit([&](Parameter& parameter) {
    if (parameter.filler.kind == Filler::Kind::constant) parameter.value.fill(parameter.filler.value);
    parameters[parameter.name] = parameter.value;
  });
  return parameters;
}

Tensor forward(Layer& layer, const Tensor& x, Phase phase) {
  Device device = Cpu(1);
  Context context{.device = device, .phase = phase};
  const std::vector<Tensor> inputs{x}, outputs{Tensor(x.shape(), x.dtype())};
  const std::vector<Tensor> saved{Tensor({x.extent(x.rank() - 1)}, x.dtype()), Tensor({x.extent(x.rank() - 1)}, x.dtype())};
  layer.forward({context, inputs, outputs, saved});
  return outputs[0];
}

}  // namespace

TEST_CASE("batch_norm: a batch gets mean 0 and variance 1, then the scale and the shift", "[batch_norm]") {
  BatchNorm layer({.epsilon = 1e-12});
  // means 3 and 15, variances 3.5 and 125
  const Tensor x = Tensor::of<double>({4, 2}, {1, 10, 2, 20, 3, 30, 6, 0});
  layer.build(std::vector<TensorSpec>{{x.shape(), DType::f64}});
  auto parameters = parameters_of(layer);
  parameters["scale"].data<double>()[1] = 2;
  parameters["shift"].data<double>()[1] = 100;
  const Tensor y = forward(layer, x, Phase::train);
  CHECK(y.data<double>()[0] == Approx((1 - 3) / std::sqrt(3.5)));
  CHECK(y.data<double>()[6] == Approx((6 - 3) / std::sqrt(3.5)));
  CHECK(y.data<double>()[5] == Approx((30 - 15) / std::sqrt(125.0) * 2 + 100));
}

TEST_CASE("batch_norm: running statistics are Caffe's S / factor, with an unbiased variance", "[batch_norm]") {
  BatchNorm layer({.fraction = 0.5});
  const Tensor first = Tensor::of<double>({4, 1}, {1, 2, 3, 6});   // mean 3, unbiased variance 14/3
  const Tensor second = Tensor::of<double>({4, 1}, {0, 0, 4, 4});  // mean 2, unbiased variance 16/3
  layer.build(std::vector<TensorSpec>{{first.shape(), DType::f64}});
  auto parameters = parameters_of(layer);
  forward(layer, first, Phase::train);
  CHECK(parameters["running_mean"].item() == Approx(3));
  CHECK(parameters["running_variance"].item() == Approx(14.0 / 3));
  CHECK(parameters["weight_of_past"].item() == 1);
  forward(layer, second, Phase::train);
  CHECK(parameters["running_mean"].item() == Approx((0.5 * 3 + 2) / 1.5));
  CHECK(parameters["running_variance"].item() == Approx((0.5 * 14 / 3 + 16.0 / 3) / 1.5));
  CHECK(parameters["weight_of_past"].item() == 1.5);

  const Tensor y = forward(layer, first, Phase::test);  // uses them without changing them
  CHECK(y.data<double>()[0] == Approx((1 - 3.5 / 1.5) / std::sqrt((7.0 / 3 + 16.0 / 3) / 1.5 + 1e-5)));
  CHECK(parameters["weight_of_past"].item() == 1.5);
}

TEST_CASE("batch_norm: a small variance on a large mean survives f32", "[batch_norm]") {
  BatchNorm layer;
  Tensor x({1000, 1}, DType::f32);
  // variance 1/4
  for (std::size_t i = 0; i < 1000; ++i) x.data<float>()[i] = 1000.0F + static_cast<float>(i % 2);
  layer.build(std::vector<TensorSpec>{{x.shape(), DType::f32}});
  parameters_of(layer);
  const Tensor y = forward(layer, x, Phase::train);
  CHECK(y.data<float>()[0] == Approx(-1).epsilon(1e-3));
  CHECK(y.data<float>()[1] == Approx(1).epsilon(1e-3));
}

TEST_CASE("batch_norm: without the mean, and without the deviation", "[batch_norm]") {
  // mean 3, mean square 12.5, variance 3.5
  const Tensor x = Tensor::of<double>({4, 1}, {1, 2, 3, 6});
  for (const auto& [centered, scaled] : {std::pair{false, true}, {true, false}, {false, false}}) {
    BatchNorm layer({.epsilon = 1e-12, .fraction = 0.5, .affine = false, .centered = centered, .scaled = scaled});
    layer.build(std::vector<TensorSpec>{{x.shape(), DType::f64}});
    auto parameters = parameters_of(layer);
    parameters["running_mean"].fill(8);
    parameters["running_variance"].fill(4);
    parameters["weight_of_past"].fill(3);
    const double mean = centered ? 3 : 0, deviation = scaled ? std::sqrt(centered ? 3.5 : 12.5) : 1;
    const Tensor y = forward(layer, x, Phase::train);
    for (std::size_t i = 0; i < 4; ++i) CHECK(y.data<double>()[i] == Approx((x.data<double>()[i] - mean) / deviation));
    // The sum of the past of what is left out stays: 3 * 8, and 3 * 4.
    CHECK(parameters["weight_of_past"].item() == 2.5);
    CHECK(parameters["running_mean"].item() * 2.5 == Approx(centered ? 0.5 * 3 * 8 + 3 : 3 * 8));
    CHECK(parameters["running_variance"].item() * 2.5 == Approx(scaled ? 0.5 * 3 * 4 + deviation * deviation * 4 / 3 : 3 * 4));
    const Tensor stored = forward(layer, x, Phase::test);
    const double by = scaled ? std::sqrt(parameters["running_variance"].item()) : 1;
    CHECK(stored.data<double>()[3] == Approx((6 - (centered ? parameters["running_mean"].item() : 0)) / by));
  }
}
