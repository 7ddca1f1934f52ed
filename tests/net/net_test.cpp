#include "catch.h"
#include "net/fill_random.h"

#include <amnet/faces/heads.h>
#include <amnet/faces/sphere_face.h>
#include <amnet/layers/add.h>
#include <amnet/layers/conv2d.h>
#include <amnet/layers/flatten.h>
#include <amnet/layers/fully_connected.h>
#include <amnet/layers/prelu.h>
#include <amnet/net/plan.h>

#include <cmath>
#include <map>
#include <optional>

using namespace amnet;

namespace {

// A small face network with a head, ready for a step.
struct FaceNet {
  explicit FaceNet(DType dtype, HeadOptions options = {.classes = 5}, std::int64_t batch = 3) : net(dtype) {
    images = net.input("data", {1, 16, 16, 3});
    labels = net.input("labels", {1}, DType::i64);
    embedding = sphere_face(net, images, {.depth = 20, .width = 0.0625, .embedding = 8});
    head = add_head(net, embedding, labels, options);
    net.initialise(3);
    net.visit([](const std::string& name, Parameter& parameter) {
      // Larger than the reference code's 0.01, so that every block matters in a small net.
      if (name.starts_with("conv") && parameter.filler.kind == Filler::Kind::gaussian) fill_random(parameter.value, stream_of(name));
    });
    replan(batch);
  }
  void replan(std::int64_t batch) {
    plan.emplace(net, PlanOptions{.batch = batch, .loss = head.loss, .keep = {embedding, head.accuracy}});
    fill_random(plan->value(images), 9);
    std::int64_t label = 0;
    for (std::int64_t& one : plan->value(labels).data<std::int64_t>()) one = label++ % 5;
  }
  double loss() {
    plan->forward(device);
    return plan->value(head.loss).item();
  }
  void backward(Write write = Write::assign) { plan->backward(device, {.parameters = write}); }

  Device device = Cpu(1);
  Net net;
  Value images, labels, embedding;
  Head head;
  std::optional<Plan> plan;
};

/// Simulates a device that fails, or that has no memory left.
template <class E>
class Failing final : public Layer {
 public:
  std::string_view type() const override { return "failing"; }
  LayerPlan setup(std::span<const TensorSpec> inputs) const override { return {.outputs = {inputs[0]}, .saved = {}}; }
  void forward(const ForwardArgs&) const override { throw E("[cuda] cudaMalloc failed."); }
  void backward(const BackwardArgs&) const override {}
};

template <class E>
void check_that_the_layer_is_named() {
  Net net;
  const Value data = net.input("data", {2, 3});
  const Value output = net.add("conv1_1", Failing<E>(), {data});
  Plan plan(net, {.batch = 2, .keep = {output}});
  Device device = Cpu(1);
  CHECK_THROWS_AS(plan.forward(device), E);
  CHECK_THROWS_WITH(plan.forward(device), "layer 'conv1_1': [cuda] cudaMalloc failed.");
}

}  // namespace

TEST_CASE("net: the gradients of a whole network with residual sums are those of its loss", "[net][gradcheck]") {
  for (const HeadOptions& head :
       {HeadOptions{.classes = 5, .scale = 4, .margin = 0.2}, HeadOptions{.loss = LossKind::softmax, .classes = 5},
        HeadOptions{.loss = LossKind::normface, .classes = 5, .scale = 4}}) {
    FaceNet face(DType::f64, head);
    face.loss();
    face.backward();
    // Along a random direction in all parameters at once: d loss = <gradient, direction>.
    double analytic = 0;
    std::vector<std::pair<Tensor, Tensor>> moved;
    face.net.visit([&](const std::string& name, Parameter& parameter) {
      Tensor direction(parameter.value.shape(), DType::f64);
      fill_random(direction, stream_of(name));
      for (std::size_t i = 0; i < direction.data<double>().size(); ++i) {
        analytic += direction.data<double>()[i] * face.plan->gradient(parameter).data<double>()[i];
      }
      moved.emplace_back(parameter.value, direction);
    });
    const auto move = [&](double step) {
      for (auto& [value, direction] : moved) {
        for (std::size_t i = 0; i < value.data<double>().size(); ++i) value.data<double>()[i] += step * direction.data<double>()[i];
      }
    };
    const double step = 1e-7;
    move(step);
    const double above = face.loss();
    move(-2 * step);
    const double below = face.loss();
    CHECK((above - below) / (2 * step) == Approx(analytic).epsilon(1e-5));
  }
}

TEST_CASE("net: float gradients of the whole network agree with double", "[net]") {
  FaceNet wide(DType::f64);
  FaceNet narrow(DType::f32);
  std::map<std::string, Tensor> values;
  wide.net.visit([&](const std::string& name, Parameter& parameter) {
    values[name] = parameter.value.cast(DType::f32);
    parameter.value.copy_from(values[name].cast(DType::f64));
  });
  narrow.net.visit([&](const std::string& name, Parameter& parameter) { parameter.value.copy_from(values.at(name)); });
  wide.plan->value(wide.images).copy_from(narrow.plan->value(narrow.images).cast(DType::f64));
  CHECK(narrow.loss() == Approx(wide.loss()).epsilon(1e-6));
  wide.backward();
  narrow.backward();
  std::map<std::string, Tensor> exact;
  wide.net.visit([&](const std::string& name, Parameter& parameter) { exact[name] = wide.plan->gradient(parameter); });
  narrow.net.visit([&](const std::string& name, Parameter& parameter) {
    double difference = 0;
    double square = 0;
    for (std::size_t i = 0; i < exact[name].data<double>().size(); ++i) {
      difference += std::pow(exact[name].data<double>()[i] - double{narrow.plan->gradient(parameter).data<float>()[i]}, 2);
      square += std::pow(exact[name].data<double>()[i], 2);
    }
    INFO(name);
    CHECK(std::sqrt(difference) <= 1e-4 * std::sqrt(square));
  });
}

TEST_CASE("net: micro-batches add up, and frozen parameters get no gradient", "[net]") {
  FaceNet face(DType::f64);
  face.loss();
  face.backward(Write::assign);
  std::map<std::string, Tensor> once;
  face.net.visit([&](const std::string& name, Parameter& parameter) { once[name] = face.plan->gradient(parameter).clone(); });
  face.loss();
  face.backward(Write::add);
  face.net.visit([&](const std::string& name, Parameter& parameter) {
    for (std::size_t i = 0; i < once[name].data<double>().size(); ++i) {
      REQUIRE(face.plan->gradient(parameter).data<double>()[i] == Approx(2 * once[name].data<double>()[i]).margin(1e-14));
    }
  });

  face.net.visit([](const std::string& name, Parameter& parameter) {
    if (name.starts_with("conv") || name.starts_with("relu")) parameter.lr_mult = 0;
  });
  face.replan(3);
  face.loss();
  face.backward();
  face.net.visit([&](const std::string& name, Parameter& parameter) {
    INFO(name);
    CHECK(face.plan->gradient(parameter).defined() == parameter.trainable());
    if (!parameter.trainable()) return;
    for (std::size_t i = 0; i < once[name].data<double>().size(); ++i) {
      REQUIRE(face.plan->gradient(parameter).data<double>()[i] == Approx(once[name].data<double>()[i]).margin(1e-14));
    }
  });
}

TEST_CASE("net: a new plan for another batch or image size leaves the parameters alone", "[net]") {
  FaceNet face(DType::f32);
  const double before = face.loss();
  std::map<std::string, Tensor> values;
  face.net.visit([&](const std::string& name, Parameter& parameter) { values[name] = parameter.value.clone(); });
  face.replan(7);
  face.loss();
  Plan(face.net, {.batch = 2, .keep = {face.embedding}}).forward(face.device);
  face.replan(3);
  CHECK(face.loss() == before);
  face.net.visit([&](const std::string& name, Parameter& parameter) {
    CHECK(std::ranges::equal(values[name].data<float>(), parameter.value.data<float>()));
  });

  Net pyramid;
  const Value data = pyramid.input("data", {1, 12, 12, 3});
  const Value out = pyramid.add("conv", Conv2d(2, 3), {data});
  const Plan larger(pyramid, {.keep = {out}, .inputs = {{data, {1, 20, 16, 3}}}}), as_built(pyramid, {.batch = 2, .keep = {out}});
  CHECK(larger.value(out).shape() == Shape{1, 18, 14, 2});
  CHECK(as_built.value(out).shape() == Shape{2, 10, 10, 2});
  CHECK(pyramid.spec(out).shape == Shape{1, 10, 10, 2});
  CHECK_THROWS_WITH(Plan(pyramid, {.keep = {out}, .inputs = {{data, {1, 20}}}}),
                    "[net] input 'data' is (1,12,12,3) and cannot become (1,20).");
  CHECK_THROWS_WITH(Plan(pyramid, {.keep = {out}, .inputs = {{out, {1, 20, 16, 3}}}}), "[net] 'conv' is no input.");
}

TEST_CASE("net: inference shares memory, training keeps what backward reads", "[net]") {
  Net net;
  const Value images = net.input("data", {1, 112, 96, 3});
  const Value labels = net.input("labels", {1}, DType::i64);
  const Value embedding = sphere_face(net, images, {.depth = 20, .width = 0.25});
  const Head head = add_head(net, embedding, labels, {.classes = 10});
  const std::size_t inference = Plan(net, {.batch = 8, .keep = {embedding}}).bytes();
  const std::size_t training = Plan(net, {.batch = 8, .loss = head.loss}).bytes();
  // At most the three largest maps of stage 1 and the input are in use at the same time.
  CHECK(inference <= 8 * 4 * (3 * 56 * 48 * 16 + 112 * 96 * 3) + 100'000);
  CHECK(training > 4 * inference);
  CHECK(training < 12 * inference);
}

TEST_CASE("net: copies a subgraph's weights by name and says what is missing", "[net]") {
  FaceNet from(DType::f32);
  FaceNet to(DType::f32, {.classes = 5});
  from.net.visit([](const std::string& name, Parameter& parameter) { fill_random(parameter.value, stream_of(name) + 1); });
  CHECK(copy_parameters(from.net, to.net).empty());
  CHECK(from.loss() == to.loss());

  FaceNet other(DType::f32, {.loss = LossKind::softmax, .classes = 5});
  CHECK(copy_parameters(from.net, other.net) == std::vector<std::string>{"fc6.bias"});
  FaceNet larger(DType::f32, {.classes = 6});
  CHECK_THROWS_WITH(copy_parameters(from.net, larger.net), "[net] 'fc6.weight' is (5,8) in the source but (6,8) here.");

  FaceNet exact(DType::f64), back(DType::f32);
  CHECK(copy_parameters(from.net, exact.net).empty());
  CHECK(copy_parameters(exact.net, back.net).empty());
  CHECK(from.loss() == back.loss());
}

TEST_CASE("net: convolution, PReLU and sum run as one step, unless somebody wants to see what lies between", "[net]") {
  FaceNet face(DType::f32);
  const auto has_step = [&](const std::vector<std::string>& names) {
    return std::ranges::count(face.plan->operations(), names, &PlanOperation::layers) == 1;
  };
  CHECK(has_step({"conv1_1", "relu1_1"}));
  CHECK(has_step({"conv1_2", "relu1_2"}));
  CHECK(has_step({"conv1_3", "relu1_3", "res1_3"}));
  face.plan.emplace(face.net,
                    PlanOptions{.batch = 2, .loss = face.head.loss, .keep = {face.net.find("conv1_2"), face.net.find("relu1_3")}});
  CHECK(has_step({"conv1_2"}));
  CHECK(has_step({"relu1_2"}));
  CHECK(has_step({"conv1_3", "relu1_3"}));
  CHECK(has_step({"res1_3"}));
}

TEST_CASE("net: mistakes are refused with the layer's name", "[net]") {
  Net net;
  const Value data = net.input("data", {1, 8, 8, 3});
  CHECK_THROWS_WITH(net.input("data", {1, 2}), "[net] the name 'data' is taken; every input and layer needs its own.");
  CHECK_THROWS_WITH(net.add("fc", FullyConnected(2), {data}), Catch::Contains("layer 'fc': "));
  CHECK_THROWS_WITH(net.find("nothing"), "[net] there is no input or layer named 'nothing'.");
  const Value a = net.add("a", PRelu(), {data});
  const Value b = net.add("b", PRelu(), {a});
  Plan plan(net, {.keep = {b}});
  CHECK_THROWS_WITH(plan.value(a), "[net] 'a' is not kept by this plan; name it in `keep`.");
  Device device = Cpu(1);
  CHECK_THROWS_WITH(plan.backward(device), "[net] backward needs a plan that trains; give it a loss.");
  CHECK_THROWS_WITH(plan.forward(device, {.samples = 2}), "[net] the plan is for up to 1 samples but got 2; plan for more.");
  CHECK_THROWS_WITH(Plan(net, {.batch = 0, .keep = {b}}), "[net] expected a batch of at least 1 but got 0.");
  CHECK_THROWS_WITH(Plan(net, {.keep = {Value{99}}}), "[net] a plan names a value that the net does not have.");
  CHECK_THROWS_WITH(Plan(net, {.batch = 1, .loss = b}), Catch::Contains("the loss 'b' is (1,8,8,3) but must have one element"));
}

TEST_CASE("net: names the first layer with a value that is not finite", "[net]") {
  FaceNet face(DType::f32);
  CHECK(face.plan->first_non_finite(face.device).empty());
  face.net.visit([](const std::string& name, Parameter& parameter) {
    if (name == "conv3_2.weight") parameter.value.data<float>()[0] = std::nanf("");
  });
  CHECK(face.plan->first_non_finite(face.device) == "the weight of layer 'conv3_2'");
  face.net.visit([](const std::string& name, Parameter& parameter) {
    if (name == "conv3_2.weight") parameter.value.data<float>()[0] = 1e38F;
  });
  CHECK(face.plan->first_non_finite(face.device) == "the output of layers 'conv3_2' to 'relu3_2', which run as one");
}

TEST_CASE("net: an error of the device, or for want of memory, names the layer", "[net]") {
  check_that_the_layer_is_named<DeviceError>();
  check_that_the_layer_is_named<MemoryError>();
}
