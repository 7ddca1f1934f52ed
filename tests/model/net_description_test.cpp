// A net as data: every layer type comes back with all its options, and a net with its bits.
#include <amnet/faces/heads.h>
#include <amnet/faces/sphere_face.h>
#include <amnet/layers/accuracy.h>
#include <amnet/layers/add.h>
#include <amnet/layers/batch_norm.h>
#include <amnet/layers/conv2d.h>
#include <amnet/layers/dropout.h>
#include <amnet/layers/flatten.h>
#include <amnet/layers/flip.h>
#include <amnet/layers/normalize.h>
#include <amnet/layers/pool.h>
#include <amnet/layers/prelu.h>
#include <amnet/layers/relu.h>
#include <amnet/layers/scale_shift.h>
#include <amnet/model/net_description.h>
#include <amnet/net/plan.h>

#include <bit>
#include <limits>
#include <set>

#include "catch.h"
#include "net/fill_random.h"

using namespace amnet;
using Catch::Contains;

namespace {

/// A layer type of the test's own: a parameter, a buffer, options within options, two outputs.
struct BlendOptions {
  struct Inner {
    double weight = 0.5;
    template <class Fields>
    void fields(Fields& fields) {
      fields("weight", weight);
    }
  } inner;
  std::optional<Inner> second = {};
  std::int64_t seed = 1;
  std::string name = "blend";
  bool negated = false;

  template <class Fields>
  void fields(Fields& fields) {
    fields("inner", inner);
    fields("second", second);
    fields("seed", seed);
    fields("name", name);
    fields("negated", negated);
  }
};

class Blend final : public Layer {
 public:
  explicit Blend(BlendOptions options = {}) : options_(std::move(options)) {}
  std::string_view type() const override { return "blend"; }
  std::optional<Options> options() const override { return options_of(options_); }
  void build(std::span<const TensorSpec> inputs) override {
    create(scale_, "scale", {1}, inputs[0].dtype, {.filler = Filler::constant(options_.inner.weight)});
    create(calls_, "calls", {1}, inputs[0].dtype, {});
    calls_.buffer = true;
  }
  LayerPlan setup(std::span<const TensorSpec> inputs) const override {
    expect_inputs(inputs, 1);
    return {.outputs = {inputs[0], inputs[0]}, .saved = {}};
  }
  void forward(const ForwardArgs& args) const override {
    const auto x = args.inputs[0].data<float>(), y = args.outputs[0].data<float>(), z = args.outputs[1].data<float>();
    const float scale = scale_.value.data<float>()[0];
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = scale * x[i], z[i] = options_.negated ? -x[i] : x[i];
    if (args.context.phase == Phase::train) calls_.value.data<float>()[0] += 1;
  }
  void backward(const BackwardArgs&) const override {}
  void visit(const ParameterVisitor& visitor) override {
    visitor(scale_);
    visitor(calls_);
  }

 private:
  BlendOptions options_;
  Parameter scale_, calls_;
};

const LayerType own[] = {layer_type<Blend, BlendOptions>("blend")};

NetDescription round_trip(const NetDescription& description) { return description_of_json(json_of(description), "test"); }

}  // namespace

TEST_CASE("net description: every layer type comes back with all its options", "[model]") {
  const ParameterOptions odd{.filler = Filler::gaussian(0.1), .lr_mult = 0.3, .decay_mult = 1e-300};
  std::vector<std::unique_ptr<Layer>> layers;
  const auto add = [&]<class L>(L layer) { layers.push_back(std::make_unique<L>(std::move(layer))); };
  add(Accuracy());
  add(Add());
  add(BatchNorm({.epsilon = 1e-3, .fraction = 0.1, .affine = false, .stored_statistics = true, .scale = odd, .shift = odd}));
  Conv2dLayerOptions convolution{.outputs = 6, .with_bias = false, .weight = odd, .bias = odd};
  convolution.geometry = {.kernel_h = 1, .kernel_w = 2, .stride_h = 3, .stride_w = 4, .pad_h = 5, .pad_w = 6, .groups = 2};
  add(Conv2d(convolution));
  add(Dropout({.ratio = 1.0 / 3, .stream = "drop \"5\" \xC3\xA4"}));
  add(Flatten());
  add(Flip());
  add(FullyConnected({.outputs = 7, .with_bias = false, .row_norm = RowNorm::in_place, .epsilon = 0, .weight = odd, .bias = odd}));
  add(Normalize({.epsilon = 1e-6, .norm_output = true}));
  add(Pool({.kind = PoolKind::average, .kernel_height = 1, .kernel_width = 2, .stride_height = 3, .stride_width = 4, .round_up = false}));
  add(Pool::global(PoolKind::max));
  add(PRelu({.shared = true, .slope = odd}));
  add(Relu());
  add(ScaleShift({.shared = true, .with_shift = true, .scale = odd, .shift = odd}));
  add(SoftmaxCrossEntropy({.scale = 64, .margin = 0.1, .rule = MarginRule::cos_gt_m, .sample_scale = true}));
  add(SoftmaxCrossEntropy(
      {.schedule = MarginSchedule{.base = 0.1, .gamma = -5e-5, .power = 2, .min = -0.4, .max = 1, .first_step = 1LL << 60}}));
  std::set<std::string_view> seen;
  for (const std::unique_ptr<Layer>& layer : layers) {
    INFO(layer->type());
    seen.insert(layer->type());
    const Options stated = layer->options().value();
    const NetDescription description{.inputs = {}, .layers = {{"it", std::string(layer->type()), stated, {}}}};
    const NetDescription back = round_trip(description);
    CHECK(back == description);
    CHECK(make_layer(layer->type(), back.layers[0].options, "it")->options() == stated);
  }
  CHECK(seen.size() == layer_types().size());  // a new type goes red here
}

TEST_CASE("net description: a whole training graph gives the same bits when it is made again", "[model]") {
  Net net;
  const Value images = net.input("data", {1, 16, 16, 3});
  const Value labels = net.input("labels", {1}, DType::i64);
  const Value embedding = sphere_face(net, images, {.depth = 4, .width = 0.125, .embedding = 8});
  const Value dropped = net.add("drop", Dropout({.stream = "drop"}), {net.add("bn", BatchNorm(), {embedding})});
  const Head head = add_head(net, dropped, labels, {.classes = 5, .margin = 0.2, .feature_norm = false});
  net.initialise(3);
  const NetDescription description = describe(net);
  Net again = build_net(round_trip(description));
  CHECK(describe(again) == description);
  again.initialise(3);
  Device device = Cpu(1);
  const auto gradients_of = [&](const Net& some) {
    Plan plan(some, {.batch = 4, .loss = some.find("loss"), .keep = {some.find("accuracy")}});
    fill_random(plan.value(some.find("data")), 9);
    plan.value(some.find("labels")).clear();
    plan.forward(device, {.step = {.number = 7, .seed = 2}});
    plan.backward(device);
    const auto values = plan.gradients().data<float>();
    return std::vector<float>(values.begin(), values.end());
  };
  CHECK(gradients_of(net) == gradients_of(again));
  static_cast<void>(head);

  const Net part = build_net(description, {.until = {"fc5"}});
  CHECK(part.layers().back().name == "fc5");
  CHECK(part.inputs().size() == 1);
  CHECK(build_net(description, {.until = {"norm1:1"}}).layers().back().name == "norm1");
  CHECK_THROWS_WITH(build_net(description, {.until = {"fc9"}}), "[model] the net has no value 'fc9'.");
  CHECK(build_net(description, {.dtype = DType::f64}).spec(Value{0}).dtype == DType::f64);
}

TEST_CASE("net description: a layer type of one's own, with options within options and two outputs", "[model]") {
  Net net;
  const Value data = net.input("data", {1, 4});
  const Value blend =
      net.add("mix", Blend({.inner = {.weight = 0.1}, .second = BlendOptions::Inner{.weight = 3}, .seed = -5, .negated = true}), {data});
  const Value out = net.add("sum", Relu(), {net.output(blend, 1)});
  net.initialise(1);
  const NetDescription description = round_trip(describe(net));
  CHECK(description == describe(net));
  CHECK(description.layers[1].inputs == std::vector<std::string>{"mix:1"});
  const Net again = build_net(description, {.own = own});
  CHECK(describe(again) == description);
  CHECK_THROWS_WITH(build_net(description), Contains("layer 'mix': there is no layer type 'blend'; there are accuracy, add,"));
  const LayerType taken[] = {layer_type<Blend, BlendOptions>("prelu")};
  CHECK_THROWS_WITH(make_layer("prelu", {}, "it", taken), "[model] two rows of layer types are called 'prelu'; give yours another name.");
  static_cast<void>(out);
}

TEST_CASE("net description: what cannot be described is named", "[model]") {
  class Secret final : public Layer {
   public:
    std::string_view type() const override { return "secret"; }
    LayerPlan setup(std::span<const TensorSpec> inputs) const override { return {.outputs = {inputs[0]}, .saved = {}}; }
    void forward(const ForwardArgs&) const override {}
    void backward(const BackwardArgs&) const override {}
  };
  Net net;
  net.add("hidden", Secret(), {net.input("data", {1, 4})});
  CHECK_THROWS_WITH(describe(net), "layer 'hidden': a secret states no options, so its net cannot be described; give it options().");
  CHECK_THROWS_WITH(options_of(NormalizeOptions{.epsilon = std::numeric_limits<double>::infinity()}),
                    "[options] 'epsilon' is inf, which no description can hold.");
}

TEST_CASE("net description: numbers come back to the bit", "[model]") {
  for (const double value : {0.1, 1.0, -0.0, 5e-324, 1.7976931348623157e308, 1.0 / 3, 1e16, 123456789.125}) {
    const Options options = options_of(NormalizeOptions{.epsilon = value});
    const NetDescription back = round_trip({.inputs = {}, .layers = {{"n", "normalize", options, {}}}});
    NormalizeOptions read;
    read_options(back.layers[0].options, "n", read);
    CHECK(std::bit_cast<std::uint64_t>(read.epsilon) == std::bit_cast<std::uint64_t>(value));
  }
  for (const std::int64_t value : {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max(), std::int64_t{0}}) {
    const Options options = options_of(MarginSchedule{.first_step = value});
    MarginSchedule read;
    read_options(round_trip({.inputs = {}, .layers = {{"n", "x", options, {}}}}).layers[0].options, "n", read);
    CHECK(read.first_step == value);
  }
}

TEST_CASE("net description: what is wrong with a text is said with its place", "[model]") {
  const auto says = [](const std::string& text, const std::string& sentence) {
    INFO(text);
    CHECK_THROWS_AS(build_net(description_of_json(text, "m.safetensors")), DataError);
    CHECK_THROWS_WITH(build_net(description_of_json(text, "m.safetensors")), Contains(sentence));
  };
  const auto net_with = [](const std::string& type, const std::string& options) {
    return R"({"version":1,"inputs":[{"name":"data","shape":[1,8,8,16],"dtype":"activations"}],"layers":[{"name":"a","type":")" + type +
           R"(","options":)" + options + R"(,"inputs":["data"]}]})";
  };
  says("{", "m.safetensors: the net's description is no JSON");
  says("[]", "m.safetensors: the net in the net's description is not an object.");
  says(R"({"version":2,"inputs":[],"layers":[]})", "m.safetensors: the net's description is of version 2 but this amnet knows 1.");
  says(R"({"version":1,"inputs":[]})", "the net in the net's description has no 'layers'");
  says(R"({"version":1,"inputs":[],"layers":[],"more":1})", "has an unknown member 'more'");
  says(net_with("conv3d", "{}"), "layer 'a': there is no layer type 'conv3d'; there are accuracy");
  says(net_with("conv2d", R"({"outputs":4,"colour":3})"), "layer 'a': there is no option 'colour'; there are outputs, kernel, stride");
  says(net_with("relu", R"({"x":1})"), "layer 'a': there is no option 'x'; there are none.");
  says(net_with("conv2d", R"({"outputs":"four"})"), "layer 'a': the option 'outputs' is a text; expected an integer.");
  says(net_with("conv2d", R"({"outputs":4,"kernel":[3]})"), "the option 'kernel' has 1 values; expected two, for height and width.");
  says(net_with("conv2d", R"({"outputs":4,"weight":{"filler":{"kind":"odd"}}})"),
       "layer 'a': 'weight': 'filler': the option 'kind' is 'odd'; expected 'constant', 'xavier' or 'gaussian'.");
  says(net_with("conv2d", R"({"outputs":0})"), "[conv2d] expected input and output channels");
  says(net_with("dropout", R"({"ratio":2})"), "layer 'a': [dropout] expected a ratio in [0, 1) but got 2.");
  says(net_with("pool", R"({"kind":null})"), "is not an option");
  says(net_with("conv2d", R"({"outputs":18446744073709551615})"), "is not an integer of 64 bits");
  std::string deep = "1";
  for (int i = 0; i < 40; ++i) deep = R"({"a":)" + deep + "}";
  says(net_with("relu", deep), "is not as flat as options are");
}
