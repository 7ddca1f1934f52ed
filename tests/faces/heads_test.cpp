#include "catch.h"

#include <amnet/faces/heads.h>
#include <amnet/net/plan.h>
#include <amnet/testing/gradcheck.h>

#include <cmath>

using namespace amnet;

namespace {

// A whole head as one layer, so that gradcheck can test it. The features are the weights of a fully
// connected layer that reads the identity: their gradient is then that of a parameter, which a plan
// provides.
class HeadLayer final : public Layer {
 public:
  HeadLayer(HeadOptions options, std::int64_t samples, std::int64_t size) : net_(DType::f64), samples_(samples) {
    identity_ = net_.input("identity", {samples, samples});
    labels_ = net_.input("labels", {samples}, DType::i64);
    features_ = net_.add("features", FullyConnected(size, {.with_bias = false}), {identity_});
    head_ = add_head(net_, features_, labels_, options);
  }

  std::string_view type() const override { return "head"; }
  LayerPlan setup(std::span<const TensorSpec>) const override {
    return {.outputs = {{Shape{1}, DType::f64, false}},
            .saved = {},
            .state = std::make_unique<Planned>(net_, PlanOptions{.batch = samples_, .loss = head_.loss})};
  }
  BackwardNeeds needs() const override { return {.inputs = false, .outputs = false}; }
  void forward(const ForwardArgs& args) const override {
    Plan& plan = planned(args.state);
    const std::span<double> identity = plan.value(identity_).data<double>();
    std::ranges::fill(identity, 0.0);
    for (std::int64_t i = 0; i < samples_; ++i) identity[static_cast<std::size_t>(i * samples_ + i)] = 1;
    plan.value(labels_).copy_from(args.inputs[0]);
    plan.forward(args.context.device,
                 {.step = {.number = args.context.step.number(), .seed = args.context.step.seed()}, .phase = args.context.phase});
    args.outputs[0].copy_from(plan.value(head_.loss));
  }
  void backward(const BackwardArgs& args) const override {
    // The net's loss has gradient 1: its gradients are scaled by the incoming one.
    const double incoming = args.output_gradients[0].data<double>()[0];
    Plan& plan = planned(args.state);
    plan.backward(args.context.device);
    net_.look([&](const std::string&, const Parameter& parameter) {
      const Gradient gradient = args.gradient_of(parameter);
      if (!gradient) return;
      const std::span<double> to = gradient.tensor.data<double>();
      const std::span<double> from = plan.gradient(parameter).data<double>();
      for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[i] * incoming + (gradient.write == Write::add ? to[i] : 0.0);
    });
  }
  void visit(const ParameterVisitor& visitor) override {
    net_.visit([&](const std::string&, Parameter& parameter) { visitor(parameter); });
  }

 private:
  struct Planned final : LayerState {
    Planned(const Net& net, const PlanOptions& options) : plan(net, options) {}
    Plan plan;
  };
  static Plan& planned(LayerState* state) { return static_cast<Planned&>(*state).plan; }

  Net net_;
  Value identity_, labels_, features_;
  Head head_;
  std::int64_t samples_;
};

struct HeadShape {
  std::int64_t samples, size, classes;
};

void check_head(HeadOptions options) {
  for (const HeadShape& shape : {HeadShape{1, 3, 2}, HeadShape{4, 5, 7}, HeadShape{3, 16, 5}, HeadShape{7, 2, 11}}) {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      options.classes = shape.classes;
      HeadLayer head(options, shape.samples, shape.size);
      Tensor labels({shape.samples}, DType::i64);
      const Random random(seed, stream_of("labels"));
      std::uint64_t i = 0;
      for (std::int64_t& label : labels.data<std::int64_t>()) {
        label = static_cast<std::int64_t>(random.below(i++, static_cast<std::uint64_t>(shape.classes)));
      }
      // Values of about one, never near zero: the loss of a short row is curved so strongly that
      // the differences, not the gradient, are wrong.
      const auto draw = [&](Parameter& parameter) {
        for (double& value : parameter.value.data<double>()) {
          value = random.uniform(i, 0.7, 1.3) * (random.uniform(i + 1) < 0.5 ? -1 : 1);
          i += 2;
        }
      };
      // Step 5000 of an annealed margin: part of its full size.
      const GradcheckResult result = gradcheck(head, {&labels, 1}, {.step = {.number = 5000}, .seed = seed, .draw_parameter = draw});
      INFO(result.report());
      REQUIRE(result.passed());
    }
  }
}

}  // namespace

TEST_CASE("gradcheck: AM-Softmax head, margin always", "[gradcheck][heads]") { check_head({.scale = 8, .margin = 0.35}); }

TEST_CASE("gradcheck: AM-Softmax head, margin where cos > m", "[gradcheck][heads]") {
  check_head({.scale = 8, .margin = 0.35, .margin_rule = MarginRule::cos_gt_m});
}

TEST_CASE("gradcheck: AM-Softmax head without feature normalisation, margin annealed", "[gradcheck][heads]") {
  check_head({.margin = 0.4, .feature_norm = false});
}

TEST_CASE("gradcheck: normface and softmax heads", "[gradcheck][heads]") {
  check_head({.loss = LossKind::normface, .scale = 8});
  check_head({.loss = LossKind::softmax});
}

TEST_CASE("gradcheck: the heads of the margin family", "[gradcheck][heads]") {
  check_head({.loss = LossKind::arcface, .scale = 8});
  check_head({.loss = LossKind::arcface, .scale = 8, .past_pi = PastPi::linear, .centres = 3});
  check_head({.loss = LossKind::combined, .scale = 8});
  check_head({.loss = LossKind::sphereface});
  check_head({.loss = LossKind::sphereface_r, .scale = 8, .version = SphereFaceR::v1});
  check_head({.loss = LossKind::sphereface_r, .scale = 8});
  check_head({.loss = LossKind::sphereface2, .scale = 8});
  check_head({.loss = LossKind::curricularface, .scale = 8, .statistics_momentum = 0});
  check_head({.loss = LossKind::magface, .scale = 8, .norm_low = 0.5, .norm_high = 20});
  // AdaFace's gradient does not pass through the norm, and so is not the derivative by the
  // features: the cosines' part is checked in margin_gradcheck_test.cpp, the whole against
  // published numbers.
}

TEST_CASE("heads: another loss's parameter is refused by name", "[heads]") {
  const auto refused = [](HeadOptions options, const std::string& field, const std::string& loss) {
    options.classes = 3;
    try {
      completed(options);
      FAIL("taken: " << field << " of " << loss);
    } catch (const UsageError& error) {
      const std::string message = error.what();
      INFO(message);
      CHECK(message.find(field + ":") != std::string::npos);
      CHECK(message.find(loss) != std::string::npos);
    }
  };
  refused({.loss = LossKind::softmax, .scale = 30}, ".head.scale", "softmax");
  refused({.loss = LossKind::softmax, .margin = 0.35}, ".head.margin", "softmax");
  refused({.loss = LossKind::normface, .margin = 0}, ".head.margin", "normface");
  refused({.angle = 0.3}, ".head.angle", "amsoftmax");
  refused({.loss = LossKind::arcface, .multiplier = 2}, ".head.multiplier", "arcface");
  refused({.loss = LossKind::sphereface, .scale = 30}, ".head.scale", "sphereface");
  refused({.loss = LossKind::arcface, .norm_penalty = 35}, ".head.norm_penalty", "arcface");
  refused({.loss = LossKind::magface, .concentration = 1}, ".head.concentration", "magface");
  refused({.loss = LossKind::arcface, .gradient = HeadGradient::reference}, ".head.gradient", "arcface");
  refused({.loss = LossKind::arcface, .feature_norm = false}, ".head.feature_norm", "arcface");
  refused({.loss = LossKind::sphereface, .multiplier = 1.5, .gradient = HeadGradient::reference}, ".head.multiplier", "1.5");
  refused({.loss = LossKind::arcface, .margin = 3}, ".head.margin", "3");
  // Every parameter belongs to a loss, and no loss has a value outside its parameters.
  for (const LossParameter& parameter : loss_parameters()) CHECK(!parameter.losses.empty());
  const HeadOptions whole = completed({.loss = LossKind::adaface, .classes = 3, .margin = 0.3});
  CHECK(whole.margin == 0.3);
  CHECK(whole.concentration == 0.333);
  CHECK(whole.past_pi == PastPi::clipped);
  CHECK(!whole.angle);
}

TEST_CASE("heads: every loss plans the memory of AM-Softmax, and K centres at most K times as much", "[heads]") {
  const auto planned = [](HeadOptions options) {
    options.classes = 1000;
    Net net;
    const Value features = net.input("features", {1, 64}), labels = net.input("labels", {1}, DType::i64);
    const Head head = add_head(net, features, labels, options);
    Device device = Cpu(1);
    return Plan::measure(net, device, {.batch = 32, .loss = head.loss}).values;
  };
  const std::size_t amsoftmax = planned({});
  for (const LossKind loss :
       {LossKind::arcface, LossKind::combined, LossKind::sphereface_r, LossKind::sphereface2, LossKind::curricularface}) {
    INFO(name_of(loss));
    CHECK(planned({.loss = loss}) == amsoftmax);
  }
  for (const LossKind loss : {LossKind::sphereface, LossKind::magface, LossKind::adaface}) {
    INFO(name_of(loss));  // and the gradient of the norms
    CHECK(planned({.loss = loss}) <= amsoftmax + 1024);
  }
  for (const std::int64_t centres : {2, 3}) {
    CHECK(planned({.loss = LossKind::arcface, .centres = centres}) <= static_cast<std::size_t>(centres) * amsoftmax);
  }
}

TEST_CASE("heads: the loss that every loss starts from", "[heads]") {
  // Random features and class weights, 512 values and 10,516 classes: docs/losses.md has these.
  struct Start {
    LossKind loss;
    double value;
  };
  constexpr std::int64_t batch = 64, classes = 10516;
  for (const Start& start : {Start{LossKind::amsoftmax, 20.7}, Start{LossKind::softmax, 9.8}, Start{LossKind::normface, 10.2},
                             Start{LossKind::arcface, 43.9}, Start{LossKind::combined, 44.9}, Start{LossKind::sphereface, 9.9},
                             Start{LossKind::sphereface_r, 36.7}, Start{LossKind::sphereface2, 0.76}, Start{LossKind::curricularface, 40.1},
                             Start{LossKind::magface, 45.2}, Start{LossKind::adaface, 38.8}}) {
    Net net;
    const Value features = net.input("features", {1, 512});
    const Value labels = net.input("labels", {1}, DType::i64);
    const Head head = add_head(net, features, labels, {.loss = start.loss, .classes = classes});
    net.initialise(1);
    Plan plan(net, {.batch = batch, .loss = head.loss});
    const Random random(7);
    std::uint64_t i = 0;
    net.visit([&](const std::string& name, Parameter& parameter) {
      // whose weights keep their filler
      if (name != "fc6.weight" || start.loss == LossKind::softmax) return;
      for (float& value : parameter.value.data<float>()) value = static_cast<float>(random.normal(i++));
    });
    for (float& value : plan.value(features).data<float>()) value = static_cast<float>(random.normal(i++));
    for (std::int64_t& label : plan.value(labels).data<std::int64_t>()) label = static_cast<std::int64_t>(random.below(i++, classes));
    Device device = Cpu(2);
    plan.forward(device);
    INFO(name_of(start.loss));
    CHECK(plan.value(head.loss).item() == Approx(start.value).margin(0.05 * start.value));
  }
}

TEST_CASE("heads: random features start at the losses that the paper's and the reference code's rules imply", "[heads]") {
  // ln 10516 + 30^2 / (2 * 512) = 10.14, and 30 * 0.35 more where the margin is always subtracted:
  // the target cosines of random features are mostly below the margin, where the reference code's
  // rule subtracts nothing.
  constexpr std::int64_t batch = 256;
  constexpr std::int64_t classes = 10516;
  for (const MarginRule rule : {MarginRule::always, MarginRule::cos_gt_m}) {
    Net net;
    const Value features = net.input("features", {1, 512});
    const Value labels = net.input("labels", {1}, DType::i64);
    const Head head = add_head(net, features, labels, {.classes = classes, .scale = 30, .margin = 0.35, .margin_rule = rule});
    Plan plan(net, {.batch = batch, .loss = head.loss});
    const Random random(7);
    std::uint64_t i = 0;
    net.visit([&](const std::string&, Parameter& parameter) {
      for (float& value : parameter.value.data<float>()) value = static_cast<float>(random.normal(i++));
    });
    for (float& value : plan.value(features).data<float>()) value = static_cast<float>(random.normal(i++));
    for (std::int64_t& label : plan.value(labels).data<std::int64_t>()) label = static_cast<std::int64_t>(random.below(i++, classes));
    Device device = Cpu(1);
    plan.forward(device);
    CHECK(plan.value(head.loss).item() == Approx(rule == MarginRule::always ? 20.64 : 10.14).margin(0.3));
  }
}

TEST_CASE("heads: without a margin the AM-Softmax loss is the normalised softmax's, and testing has no margin", "[heads]") {
  const auto loss_of = [](HeadOptions options, Phase phase) {
    options.classes = 9;
    options.scale = 12;
    Net net(DType::f64);
    const Value features = net.input("features", {1, 6});
    const Value labels = net.input("labels", {1}, DType::i64);
    const Head head = add_head(net, features, labels, options);
    Plan plan(net, {.batch = 5, .loss = head.loss});
    const Random random(3);
    std::uint64_t i = 0;
    net.visit([&](const std::string& name, Parameter& parameter) {
      if (!name.starts_with("fc6")) return;
      for (double& value : parameter.value.data<double>()) value = random.normal(i++);
    });
    net.visit([&](const std::string& name, Parameter& parameter) {
      if (name == "scale.scale") parameter.value.fill(*options.scale);
    });
    for (double& value : plan.value(features).data<double>()) value = random.normal(i++);
    for (std::int64_t& label : plan.value(labels).data<std::int64_t>()) label = static_cast<std::int64_t>(random.below(i++, 9));
    Device device = Cpu(1);
    plan.forward(device, {.phase = phase});
    return plan.value(head.loss).item();
  };
  const double normface = loss_of({.loss = LossKind::normface}, Phase::train);
  CHECK(loss_of({.margin = 0}, Phase::train) == Approx(normface).epsilon(1e-12));
  CHECK(loss_of({.margin = 0.35}, Phase::test) == Approx(normface).epsilon(1e-12));
  CHECK(loss_of({.margin = 0.35}, Phase::train) > normface + 1);
}

TEST_CASE("heads: the gradient of AM-Softmax is orthogonal to each feature and to each class's weights", "[heads]") {
  Net net(DType::f64);
  const Value identity = net.input("identity", {1, 4});
  const Value labels = net.input("labels", {1}, DType::i64);
  const Value features = net.add("features", FullyConnected(6, {.with_bias = false}), {identity});
  const Head head = add_head(net, features, labels, {.classes = 5});
  Plan plan(net, {.batch = 4, .loss = head.loss});
  const Random random(4);
  std::uint64_t i = 0;
  net.visit([&](const std::string&, Parameter& parameter) {
    for (double& value : parameter.value.data<double>()) value = random.normal(i++);
  });
  plan.value(identity).clear();
  for (std::size_t n = 0; n < 4; ++n) {
    plan.value(identity).data<double>()[n * 4 + n] = 1;
    plan.value(labels).data<std::int64_t>()[n] = static_cast<std::int64_t>(n);
  }
  Device device = Cpu(1);
  plan.forward(device);
  plan.backward(device);
  // <gradient, value> summed over the column (a feature) or row (a class) `index`, relative to the
  // lengths.
  const auto cosine = [&plan](const Parameter& parameter, std::int64_t count, std::int64_t step, std::int64_t start) {
    double dot = 0;
    double value_square = 0;
    double gradient_square = 0;
    for (std::int64_t k = 0; k < count; ++k) {
      const auto at = static_cast<std::size_t>(start + k * step);
      const double value = parameter.value.data<double>()[at];
      const double gradient = plan.gradient(parameter).data<double>()[at];
      dot += value * gradient;
      value_square += value * value;
      gradient_square += gradient * gradient;
    }
    return std::abs(dot) / std::sqrt(value_square * gradient_square);
  };
  net.visit([&](const std::string& name, Parameter& parameter) {
    if (name == "features.weight") {  // (6,4): a column for each sample
      for (std::int64_t n = 0; n < 4; ++n) CHECK(cosine(parameter, 6, 4, n) < 1e-6);
    } else {  // (5,6): a row for each class
      for (std::int64_t c = 0; c < 5; ++c) CHECK(cosine(parameter, 6, 1, c * 6) < 1e-6);
    }
  });
}

TEST_CASE("heads: a zero feature, a large scale and a large margin stay finite", "[heads]") {
  for (const bool feature_norm : {true, false}) {
    Net net;
    const Value identity = net.input("identity", {1, 2});
    const Value labels = net.input("labels", {1}, DType::i64);
    const Value features = net.add("features", FullyConnected(3, {.with_bias = false}), {identity});
    const Head head = add_head(net, features, labels, {.classes = 4, .scale = 64, .margin = 0.5, .feature_norm = feature_norm});
    net.initialise(1);
    Plan plan(net, {.batch = 2, .loss = head.loss});
    plan.value(identity).clear();  // every feature is zero
    plan.value(labels).clear();
    Device device = Cpu(1);
    plan.forward(device);
    plan.backward(device);
    CHECK(std::isfinite(plan.value(head.loss).item()));
    for (const float value : plan.gradients().data<float>()) REQUIRE(std::isfinite(value));
  }
}

TEST_CASE("heads: a training step holds one matrix of samples x classes, and a gradient over the logits is that beside them", "[heads]") {
  constexpr std::int64_t samples = 8, classes = 20000, size = 4;
  constexpr std::size_t matrix = samples * classes * sizeof(float);
  Device device = Cpu(2);
  for (const HeadOptions& options :
       {HeadOptions{.classes = classes}, HeadOptions{.classes = classes, .feature_norm = false},
        HeadOptions{.classes = classes, .rows = RowNorm::in_place}, HeadOptions{.loss = LossKind::softmax, .classes = classes},
        HeadOptions{.loss = LossKind::normface, .classes = classes}}) {
    const auto gradients = [&](bool keep_logits, std::size_t& bytes) {
      Net net;
      const Value identity = net.input("identity", {1, samples});
      const Value labels = net.input("labels", {1}, DType::i64);
      const Value features = net.add("features", FullyConnected(size, {.with_bias = false}), {identity});
      const Head head = add_head(net, features, labels, options);
      net.initialise(1);
      std::vector<Value> keep = {head.accuracy};
      if (keep_logits) keep.push_back(head.logits);
      Plan plan(net, {.batch = samples, .loss = head.loss, .keep = keep});
      bytes = plan.bytes();
      plan.value(identity).fill(0.5);
      std::int64_t label = 0;
      for (std::int64_t& one : plan.value(labels).data<std::int64_t>()) one = label += 1999;
      plan.forward(device, {.step = {.number = 5000}});
      plan.backward(device);
      const auto all = plan.gradients().data<float>();
      return std::vector<float>(all.begin(), all.end());
    };
    std::size_t shared = 0, separate = 0;
    const bool same = gradients(false, shared) == gradients(true, separate);
    INFO("loss " << static_cast<int>(options.loss) << ", feature_norm " << options.feature_norm);
    CHECK(same);
    CHECK(shared < matrix + matrix / 2);
    CHECK(separate > shared + matrix / 2);
  }
}
