// What a plan may not change: gradients and features, whatever runs as one, in groups, or with prepared weights.
#include "catch.h"
#include "net/fill_random.h"

#include <amnet/layers/add.h>
#include <amnet/layers/conv2d.h>
#include <amnet/layers/flatten.h>
#include <amnet/layers/fully_connected.h>
#include <amnet/layers/prelu.h>
#include <amnet/net/heads.h>
#include <amnet/net/net.h>

#include <cmath>
#include <map>
#include <set>

using namespace amnet;

namespace {

/// Residual sums in every arrangement that a plan has to tell apart.
struct ResidualNet {
  Net net{DType::f64};
  Value images, labels;
  std::vector<Value> values = {};  // all between the images and the head
  Head head = {};

  ResidualNet(std::int64_t height, std::int64_t width) {
    images = net.input("data", {1, height, width, 16});
    labels = net.input("labels", {1}, DType::i64);
    Value value = convolve("a", images);
    value = add("one", {value, convolve("b", value)});                     // a block of one convolution: reads `value` twice
    value = add("two", {value, convolve("d", convolve("c", value))});      // a block of two
    value = add("swapped", {convolve("f", convolve("e", value)), value});  // the branch comes first
    value = add("three", {value, convolve("g", value), value});            // not a sum of two
    const Value before = value;
    value = add("inner", {before, convolve("k", convolve("j", before))});  // not the last to read `before`
    value = add("outer", {before, convolve("l", value)});
    const Value early = convolve("h", value, 2);
    const Value late = convolve("i", value, 2);
    value = add("late", {early, late});  // the other side is made after the branch began, or before
    value = add("small", {value, convolve("n", convolve("m", value))});
    const Value flat = net.add("flat", Flatten(), {value});
    head = add_head(net, net.add("fc", FullyConnected({.outputs = 4}), {flat}), labels, {.classes = 3});
    net.initialise(5);
  }
  Value convolve(const std::string& name, Value input, std::int64_t stride = 1) {
    const Conv2dOptions geometry{.kernel_h = 3, .kernel_w = 3, .stride_h = stride, .stride_w = stride, .pad_h = 1, .pad_w = 1};
    values.push_back(net.add("conv_" + name, Conv2d({.outputs = 16, .geometry = geometry}), {input}));
    values.push_back(net.add("relu_" + name, PRelu(), {values.back()}));
    return values.back();
  }
  Value add(const std::string& name, std::vector<Value> inputs) {
    values.push_back(net.add(name, Add(), std::move(inputs)));
    return values.back();
  }
  /// Those of all parameters, for samples (n,...) and their labels.
  std::map<std::string, Tensor> gradients(const Tensor& samples, const Tensor& classes, Write write = Write::assign) {
    net.value(images).copy_from(samples);
    net.value(labels).copy_from(classes);
    Device device = Cpu(1);
    Context context{.device = device, .phase = Phase::train};
    net.forward(context);
    net.backward(context, write);
    std::map<std::string, Tensor> gradients;
    net.visit([&](const std::string& name, Parameter& parameter) { gradients[name] = parameter.gradient.clone(); });
    return gradients;
  }
};

/// The gradients of two samples, and what the plan took.
std::map<std::string, Tensor> gradients_of_residuals(bool fused, std::size_t& bytes) {
  ResidualNet residual(6, 5);
  residual.net.plan_training(2, residual.head.loss, fused ? std::vector<Value>{} : residual.values);
  bytes = residual.net.planned_bytes();
  CHECK((residual.net.steps().size() < residual.values.size()) == fused);
  Tensor samples({2, 6, 5, 16}, DType::f64);
  fill_random(samples, 9);
  return residual.gradients(samples, Tensor::of<std::int64_t>({2}, {2, 0}));
}

void check_equal(const std::map<std::string, Tensor>& expected, const std::map<std::string, Tensor>& got, double scale = 1) {
  for (const auto& [name, gradient] : expected) {
    INFO(name);
    const auto want = gradient.data<double>(), have = got.at(name).data<double>();
    double largest = 0;
    for (const double each : want) largest = std::max(largest, std::abs(each));
    REQUIRE(largest > 0);
    for (std::size_t i = 0; i < have.size(); ++i) REQUIRE(std::abs(have[i] - scale * want[i]) <= 1e-11 * scale * largest);
  }
}

}  // namespace

TEST_CASE("net: a residual of one convolution, and values read twice", "[net]") {
  std::size_t fused_bytes = 0, plain_bytes = 0;
  const auto fused = gradients_of_residuals(true, fused_bytes), plain = gradients_of_residuals(false, plain_bytes);
  CHECK(fused_bytes < plain_bytes);
  check_equal(plain, fused);
}

TEST_CASE("net: large samples go through in groups, and give what each gives alone", "[net]") {
  constexpr std::int64_t batch = 11, height = 96, width = 80;
  ResidualNet residual(height, width);
  Net& net = residual.net;
  Tensor samples({batch, height, width, 16}, DType::f64);
  fill_random(samples, 11);
  const Tensor classes = Tensor::of<std::int64_t>({batch}, {2, 0, 1, 1, 2, 0, 0, 2, 2, 1, 0});

  net.plan_training(1, residual.head.loss);
  std::map<std::string, Tensor> expected;
  for (std::int64_t n = 0; n < batch; ++n) {
    expected = residual.gradients(samples.slice(n, n + 1), classes.slice(n, n + 1), n == 0 ? Write::assign : Write::add);
  }

  net.plan_training(batch, residual.head.loss);
  std::set<std::int64_t> groups;
  for (const NetStep& step : net.steps()) groups.insert(step.samples);
  REQUIRE(groups.size() == 3);  // of two sizes, and all samples
  check_equal(expected, residual.gradients(samples, classes), 1.0 / batch);
  check_equal(expected, residual.gradients(samples, classes), 1.0 / batch);  // and again, over what the first step left behind
  Device device = Cpu(1);
  Context context{.device = device, .phase = Phase::train};
  CHECK(net.first_non_finite(context).empty());

  // Inference: no value is kept, so that most have room for a group only.
  const Value last = residual.values.back();
  const auto features = [&](bool prepared) {
    if (prepared) net.prepare(context);
    net.value(residual.images).copy_from(samples.slice(0, net.spec(last).shape[0]));
    net.forward(context);
    return net.value(last).clone();
  };
  net.plan_inference(1, {last});
  const Tensor alone = features(false);
  const std::size_t one = net.planned_bytes();
  net.plan_inference(batch, {last});
  CHECK(net.planned_bytes() < batch * one);
  const Tensor together = features(false);
  const auto a = alone.data<double>(), t = together.data<double>();
  for (std::size_t i = 0; i < a.size(); ++i) REQUIRE(std::abs(a[i] - t[i]) <= 1e-11);
  const Tensor prepared = features(true);
  CHECK(std::ranges::equal(prepared.data<double>(), t));
}

TEST_CASE("net: what was prepared is forgotten by the next plan, and never used in training", "[net]") {
  ResidualNet residual(6, 5);
  Net& net = residual.net;
  const Value last = residual.values.back();
  Device device = Cpu(1, ConvolutionAlgorithm::tiles_2);
  Context context{.device = device};
  const auto feature = [&] {
    net.forward(context);
    return net.value(last).data<double>()[0];
  };
  net.plan_inference(1, {last});
  fill_random(net.value(residual.images), 3);
  const Tensor image = net.value(residual.images).clone();
  net.prepare(context);
  const double before = feature();
  const auto change_weights = [&](std::uint64_t seed) {
    net.visit([seed](const std::string& name, Parameter& parameter) {
      if (name.ends_with(".weight")) fill_random(parameter.value, stream_of(name) + seed);
    });
  };
  change_weights(1);
  CHECK(feature() == before);
  net.prepare(context);
  const double changed = feature();
  CHECK(changed != before);
  change_weights(2);
  net.plan_inference(1, {last});
  net.value(residual.images).copy_from(image);
  const double forgotten = feature();
  CHECK(forgotten != changed);
  net.prepare(context);
  CHECK(feature() == forgotten);
  net.plan_training(1, residual.head.loss);
  CHECK_THROWS_WITH(net.prepare(context), "[net] a training plan changes its parameters; prepare is for inference.");
}

TEST_CASE("net: a plan is measured without its memory being taken", "[net]") {
  ResidualNet residual(96, 80);
  Net& net = residual.net;
  Device device = Cpu(2);
  const Value last = residual.values.back();
  for (const std::int64_t batch : {1, 3, 11}) {
    const PlanBytes training = net.measure_training(device, batch, residual.head.loss, {last});
    CHECK(net.planned_bytes() == 0);
    CHECK_THROWS_AS(net.value(last), UsageError);
    net.plan_training(batch, residual.head.loss, {last});
    CHECK(training.values == net.planned_bytes());
    CHECK(training.kernels == net.kernel_bytes(device));
    const PlanBytes inference = net.measure_inference(device, batch, {last});
    net.plan_inference(batch, {last});
    CHECK(inference.values == net.planned_bytes());
    CHECK(inference.kernels == net.kernel_bytes(device));
    CHECK(inference.values < training.values);
  }
  const std::int64_t absurd = std::int64_t{1} << 20;  // terabytes
  CHECK(net.measure_training(device, absurd, residual.head.loss).values > std::size_t{1} << 43);
  CHECK_THROWS_AS(net.measure_training(device, 0, residual.head.loss), UsageError);
  CHECK_THROWS_AS(net.measure_training(device, 1, Value{}), UsageError);
}
