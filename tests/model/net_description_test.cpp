// A net as data: every layer type is restored with all its options, and a net with its bits.
#include <amnet/faces/heads.h>
#include <amnet/faces/sphere_face.h>
#include <amnet/layers/accuracy.h>
#include <amnet/layers/add.h>
#include <amnet/layers/angular_margin.h>
#include <amnet/layers/batch_norm.h>
#include <amnet/layers/binary_cross_entropy.h>
#include <amnet/layers/broadcast.h>
#include <amnet/layers/center_loss.h>
#include <amnet/layers/combine.h>
#include <amnet/layers/concat.h>
#include <amnet/layers/contrastive_loss.h>
#include <amnet/layers/conv2d.h>
#include <amnet/layers/conv2d_transpose.h>
#include <amnet/layers/distance.h>
#include <amnet/layers/dropout.h>
#include <amnet/layers/euclidean_loss.h>
#include <amnet/layers/fill.h>
#include <amnet/layers/flatten.h>
#include <amnet/layers/flip.h>
#include <amnet/layers/grey.h>
#include <amnet/layers/hard_margin.h>
#include <amnet/layers/lse_margin.h>
#include <amnet/layers/matrix_product.h>
#include <amnet/layers/normalize.h>
#include <amnet/layers/parameter.h>
#include <amnet/layers/permute.h>
#include <amnet/layers/pool.h>
#include <amnet/layers/power.h>
#include <amnet/layers/prelu.h>
#include <amnet/layers/proxy_contrastive_loss.h>
#include <amnet/layers/proxy_triplet_loss.h>
#include <amnet/layers/reduce.h>
#include <amnet/layers/relu.h>
#include <amnet/layers/reshape.h>
#include <amnet/layers/sample_scale.h>
#include <amnet/layers/scale_shift.h>
#include <amnet/layers/sigmoid.h>
#include <amnet/layers/slice.h>
#include <amnet/layers/softmax.h>
#include <amnet/layers/sphere_product.h>
#include <amnet/layers/stop_gradient.h>
#include <amnet/layers/tanh.h>
#include <amnet/layers/target_margin.h>
#include <amnet/layers/target_rescale.h>
#include <amnet/model/net_description.h>
#include <amnet/net/plan.h>

#include <bit>
#include <functional>
#include <limits>
#include <set>
#include <utility>

#include "blend.h"
#include "catch.h"
#include "net/fill_random.h"

using namespace amnet;
using Catch::Contains;

namespace {

NetDescription round_trip(const NetDescription& description) { return description_of_json(json_of(description), "test"); }

}  // namespace

TEST_CASE("net description: every layer type comes back with all its options", "[model]") {
  const ParameterOptions odd{.filler = Filler::gaussian(0.1), .lr_mult = 0.3, .decay_mult = 1e-300};
  std::vector<std::unique_ptr<Layer>> layers;
  const auto add = [&]<class L>(L layer) { layers.push_back(std::make_unique<L>(std::move(layer))); };
  add(Accuracy({.top_k = 5, .ignore_label = -1, .min_is_better = true, .per_class = true, .sample_weights = true}));
  add(Add());
  add(AngularMargin({.kind = AngularMarginKind::soft,
                     .margin = 1.35,
                     .schedule = AngularMarginSchedule{.base = 1, .gamma = 2, .power = 3, .first_step = 4},
                     .max = 5,
                     .auto_tune = true,
                     .margin_input = true,
                     .margin_output = true,
                     .arithmetic = Arithmetic::reference_gpu}));
  add(BatchNorm({.epsilon = 1e-3, .fraction = 0.1, .affine = false, .stored_statistics = true, .scale = odd, .shift = odd}));
  add(Broadcast({.axis = 2,
                 .axes = 0,
                 .multiply = BroadcastFrom::parameter,
                 .add = BroadcastFrom::input,
                 .scale = odd,
                 .shift = odd,
                 .clamp_low = -0.1,
                 .clamp_high = 1.0 / 3}));
  add(Combine({.operation = Combination::sum, .coefficients = {1, -0.5, 1e-300}}));
  add(Concat({.axis = 3}));
  add(Conv2d(6, {1, 2}, {.stride = {3, 4}, .pad = {5, 6}, .groups = 2, .with_bias = false, .weight = odd, .bias = odd}));
  add(Distance(3, {.kind = DistanceKind::l1,
                   .row_norm = RowNorm::in_place,
                   .epsilon = 0,
                   .update_center_only = true,
                   .reference = true,
                   .weight = odd}));
  add(Distance(3, {.weight_from_input = true}));
  add(Dropout({.ratio = 1.0 / 3, .stream = "drop \"5\" \xC3\xA4"}));
  add(Fill({.extents = {2, 3}, .filler = {.kind = Filler::Kind::uniform, .low = -1}, .stream = "noise", .integers = true}));
  add(BatchNorm({.epsilon = 1e-3,
                 .fraction = 0.1,
                 .affine = false,
                 .stored_statistics = true,
                 .scale = odd,
                 .shift = odd,
                 .centered = false,
                 .scaled = false}));
  add(CenterLoss(5, {.distance = NormKind::l1, .reference = true, .centers = odd}));
  add(ContrastiveLoss({.margin = 0.5, .legacy = true, .reference = true}));
  add(Conv2d(6, {1, 2},
             {.stride = {3, 4}, .pad = {5, 6}, .groups = 2, .with_bias = false, .weight = odd, .bias = odd, .dilation = {7, 8}}));
  add(Conv2dTranspose(6, {1, 2}, {.stride = {3, 4}, .pad = {5, 6}, .groups = 2, .with_bias = false, .weight = odd, .dilation = {7, 8}}));
  add(Dropout({.ratio = 1.0 / 3, .stream = "drop \"5\" \xC3\xA4"}));
  add(EuclideanLoss());
  add(Flatten());
  add(Flip());
  add(Flip({.width = false, .height = true}));
  add(FullyConnected(7, {.with_bias = false, .row_norm = RowNorm::in_place, .epsilon = 0, .weight = odd, .bias = odd}));
  add(Grey({.order = ChannelOrder::rgb}));
  add(HardMargin({.positive_weight = 0.8, .margin_output = true, .reference = true}));
  add(LseMargin({.min_scale = 1, .max_scale = 2, .feature_norm = true, .statistics = true, .reference = true, .scale = odd}));
  add(Normalize({.epsilon = 1e-6, .norm_output = true}));
  add(ParameterLayer({.extents = {4, 5}, .value = odd}));
  add(Permute({.order = {0, 2, 3, 1}}));
  add(MatrixProduct({.with_bias = true, .bias = odd}));
  add(Normalize({.epsilon = 1e-6, .norm_output = true, .kind = NormKind::l1, .norm_gradient = false, .fix_gradient = true}));
  add(Pool(PoolKind::average, {1, 2}, {.stride = {3, 4}, .round_up = false}));
  add(Pool(PoolKind::stochastic, 3, {.stream = "pool \"3\""}));
  add(Pool::global(PoolKind::max));
  add(Power({.power = 0.5, .scale = -2, .shift = 1e-300}));
  add(PRelu({.shared = true, .slope = odd}));
  add(Reduce({.operation = Reduction::sum_of_squares, .axis = 2, .coefficient = 1.0 / 3}));
  add(ProxyContrastiveLoss({.positive_margin = 0.1, .normalize_negative = 0.3, .exp_negative_weight = true, .add_intra_mae = true}));
  add(ProxyTripletLoss({.margin = 0.1, .add_center_loss = false, .hardest_only = true, .distances = true, .reference = true}));
  add(Relu());
  add(SampleScale({.do_forward = false, .do_backward_feature = false, .do_backward_scale = false}));
  add(SampleScale(
      {.global = GlobalScaleOptions{.initial = 1, .min = 2, .max = 3, .output = true}, .arithmetic = Arithmetic::reference_cpu}));
  add(Relu({.negative_slope = -0.1}));
  add(Reshape({.extents = {0, -1, 3}}));
  add(ScaleShift({.shared = true, .with_shift = true, .scale = odd, .shift = odd}));
  add(Sigmoid());
  add(Slice({.axis = 3, .points = {1, 4}}));
  add(Slice({.axis = 0, .parts = 3}));
  add(Softmax());
  add(SoftmaxCrossEntropy({.ignore_label = 255,
                           .normalization = LossNormalization::batch_size,
                           .sample_weights = true,
                           .probability_floor = std::numeric_limits<float>::min()}));
  add(BinaryCrossEntropy({.scale = 20, .margin = 0.1, .sharpness = 2, .balance = 0.6, .form = {.angle = 0.1}, .factor = 3, .bias = odd}));
  add(SoftmaxCrossEntropy({.form = {.multiplier = 2,
                                    .angle = 0.1,
                                    .past_pi = PastPi::clipped,
                                    .least_angle = 0.01,
                                    .most_angle = 3,
                                    .cosine_limit = 0.02,
                                    .blend = 2,
                                    .gradient = MarginGradient::straight_through,
                                    .negatives = NegativeRule::filtered,
                                    .filter = 0.4,
                                    .norm_low = 1,
                                    .norm_high = 50,
                                    .margin_low = 0.1,
                                    .margin_high = 0.2,
                                    .concentration = 0.5,
                                    .norm_penalty = NormPenalty::distance,
                                    .penalty = 2,
                                    .norm_target = 3,
                                    .momentum = 0.2,
                                    .centres = 2},
                           .blend = BlendSchedule{.base = 1, .gamma = 2, .power = 3, .least = 4, .first_step = 5},
                           .growth = MultiplierGrowth{.by = 0.1, .after = {3, 4}},
                           .factor = 7}));
  add(SoftmaxCrossEntropy({.form = {.norm_margin = NormMargin::adaface}}));
  add(SoftmaxCrossEntropy({.scale = 64, .margin = 0.1, .rule = MarginRule::cos_gt_m, .sample_scale = true}));
  add(SoftmaxCrossEntropy(
      {.schedule = MarginSchedule{.base = 0.1, .gamma = -5e-5, .power = 2, .min = -0.4, .max = 1, .first_step = 1LL << 60}}));
  add(SphereProduct(3, {.multiplier = 2,
                        .base = 2,
                        .gamma = 3,
                        .power = 4,
                        .lambda_min = 5,
                        .first_step = 6,
                        .lambda_output = true,
                        .reference = true,
                        .weight = odd}));
  add(TargetMargin({.margin = -0.2, .rule = MarginRule::cos_gt_m, .margin_output = true}));
  add(TargetMargin({.schedule = MarginSchedule{.base = 0.1}}));
  add(TargetRescale({.positive_weight = 0.5,
                     .negative_weight = 2,
                     .schedule = RescaleSchedule{.base = 1, .gamma = 2, .power = 3, .min = 4, .max = 5, .first_step = 6},
                     .only_positive = true,
                     .keeps_one = true,
                     .power = true,
                     .in_test = true,
                     .weight_output = true,
                     .arithmetic = Arithmetic::reference_gpu}));
  add(StopGradient());
  add(Tanh());
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
  CHECK(seen.size() == layer_types().size());  // a new type makes this fail
}

TEST_CASE("net description: short constructors state every option, in an order and with defaults that files rely on", "[model]") {
  const std::string of_weight = R"("weight":{"filler":{"kind":"xavier","value":0.0},"lr_mult":1.0,"decay_mult":1.0})";
  const std::string of_bias = R"("bias":{"filler":{"kind":"constant","value":0.0},"lr_mult":2.0,"decay_mult":0.0})";
  const std::string of_both = R"("with_bias":true,)" + of_weight + "," + of_bias;
  const auto states = [](auto layer, const TensorSpec& input, const Shape& output, const std::string& options) {
    INFO(options);
    const std::string type(layer.type());
    const NetDescription description{.inputs = {}, .layers = {{"it", type, layer.options().value(), {}}}};
    CHECK(json_of(description) ==
          R"({"version":1,"inputs":[],"layers":[{"name":"it","type":")" + type + R"(","options":)" + options +
              R"(,"inputs":[]}],"roles":{"image":null,"labels":"","embedding":"","loss":"","metrics":[],"class_weights":""}})");
    const std::unique_ptr<Layer> again = make_layer(type, round_trip(description).layers[0].options, "it");
    for (Layer* each : {static_cast<Layer*>(&layer), again.get()}) {
      each->build({&input, 1});
      CHECK(each->setup({&input, 1}).outputs[0].shape == output);
    }
  };
  const TensorSpec image{{2, 9, 7, 4}, DType::f32}, rows{{2, 5}, DType::f32};
  states(Conv2d(8, 3, {.stride = 2, .pad = 1}), image, {2, 5, 4, 8},
         R"({"outputs":8,"kernel":[3,3],"stride":[2,2],"pad":[1,1],"groups":1,)" + of_both + "}");
  states(Conv2d(8, {3, 1}), image, {2, 7, 7, 8}, R"({"outputs":8,"kernel":[3,1],"stride":[1,1],"pad":[0,0],"groups":1,)" + of_both + "}");
  states(Pool(PoolKind::max, 3, {.stride = 2}), image, {2, 4, 3, 4},
         R"({"kind":"max","kernel":[3,3],"stride":[2,2],"pad":[0,0],"round_up":true,"global":false})");
  states(Pool(PoolKind::average, {3, 1}), image, {2, 4, 4, 4},
         R"({"kind":"average","kernel":[3,1],"stride":[2,2],"pad":[0,0],"round_up":true,"global":false})");
  states(Pool::global(PoolKind::average), image, {2, 1, 1, 4},
         R"({"kind":"average","kernel":[2,2],"stride":[1,1],"pad":[0,0],"round_up":true,"global":true})");
  states(FullyConnected(4), rows, {2, 4},
         R"({"outputs":4,"with_bias":true,"row_norm":"none","epsilon":1e-12,)" + of_weight + "," + of_bias + "}");
  // An option that a description leaves out has the same value as one that a program leaves out.
  CHECK(make_layer("pool", {}, "it")->options() == Pool(PoolKind::max, 2).options());
  CHECK(make_layer("conv2d", {}, "it")->options() == Conv2d(0, 1).options());
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
      net.add("mix", Blend({.inner = {.weight = 0.1}, .second = BlendWeight{.weight = 3}, .seed = -5, .negated = true}), {data});
  const Value out = net.add("sum", Relu(), {net.output(blend, 1)});
  net.initialise(1);
  const NetDescription description = round_trip(describe(net));
  CHECK(description == describe(net));
  CHECK(description.layers[1].inputs == std::vector<std::string>{"mix:1"});
  const Net again = build_net(description, {.own = own});
  CHECK(describe(again) == description);
  CHECK_THROWS_WITH(build_net(description), Contains("layer 'mix': there is no layer type 'blend'; there are accuracy, add,"));
  const LayerType taken[] = {layer_type<Blend, BlendOptions>("prelu")};
  CHECK_THROWS_AS(build_net(description, {.own = taken}), UsageError);
  CHECK_THROWS_WITH(make_layer("prelu", {}, "it", taken), "[model] two rows of layer types are called 'prelu'; give yours another name.");
  static_cast<void>(out);
}

TEST_CASE("net description: what cannot be described is named", "[model]") {
  class Secret final : public Layer {
   public:
    explicit Secret(double number = 0) : number_(number) {}
    std::string_view type() const override { return "secret"; }
    std::optional<Options> options() const override {
      if (number_ == 0) return std::nullopt;
      return options_of(NormalizeOptions{.epsilon = number_});
    }
    LayerPlan setup(std::span<const TensorSpec> inputs) const override { return {.outputs = {inputs[0]}, .saved = {}}; }
    void forward(const ForwardArgs&) const override {}
    void backward(const BackwardArgs&) const override {}

   private:
    double number_;
  };
  Net net;
  net.add("hidden", Secret(), {net.input("data", {1, 4})});
  CHECK_THROWS_WITH(describe(net), "layer 'hidden': a secret states no options, so its net cannot be described; give it options().");
  Net endless;
  endless.add("large", Secret(std::numeric_limits<double>::infinity()), {endless.input("data", {1, 4})});
  CHECK_THROWS_WITH(describe(endless), "layer 'large': [options] 'epsilon' is inf, which no description can hold.");

  const auto with = [](OptionValue value) {
    Options options;
    options.set("x", std::move(value));
    return NetDescription{.inputs = {}, .layers = {{"a", "mine", options, {}}}};
  };
  CHECK_THROWS_WITH(json_of(with({std::numeric_limits<double>::quiet_NaN()})),
                    "[model] layer 'a': 'x' is nan, which no description can hold.");
  CHECK_THROWS_WITH(json_of(with({std::string("\xFF")})), Contains("is not UTF-8"));
  OptionValue deep{std::int64_t{1}};
  for (int i = 0; i < 15; ++i) deep = OptionValue{OptionList{deep}};
  CHECK(round_trip(with(deep)) == with(deep));
  CHECK_THROWS_WITH(json_of(with({OptionList{deep}})), Contains("deeper than the 16 that a description holds"));
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
  const std::string no_roles = R"({"image":null,"labels":"","embedding":"","loss":"","metrics":[],"class_weights":""})";
  const auto net_with = [&](const std::string& type, const std::string& options) {
    return R"({"version":1,"inputs":[{"name":"data","shape":[1,8,8,16],"dtype":"activations"}],"layers":[{"name":"a","type":")" + type +
           R"(","options":)" + options + R"(,"inputs":["data"]}],"roles":)" + no_roles + "}";
  };
  says("{", "m.safetensors: the net's description is no JSON");
  says("[]", "m.safetensors: the net in the net's description is not an object.");
  says(R"({"version":2,"inputs":[],"layers":[],"roles":{}})",
       "m.safetensors: the net's description is of version 2 but this amnet knows 1.");
  says(R"({"version":1,"inputs":[]})", "the net in the net's description has no 'layers'");
  says(R"({"version":1,"inputs":[],"layers":[]})", "the net in the net's description has no 'roles'");
  says(R"({"version":1,"inputs":[],"layers":[],"roles":{},"more":1})", "has an unknown member 'more'");
  says(net_with("conv3d", "{}"), "layer 'a': there is no layer type 'conv3d'; there are accuracy");
  says(net_with("conv2d", R"({"outputs":4,"colour":3})"), "layer 'a': there is no option 'colour'; there are outputs, kernel, stride");
  says(net_with("tanh", R"({"x":1})"), "layer 'a': there is no option 'x'; there are none.");
  says(net_with("conv2d", R"({"outputs":"four"})"), "layer 'a': the option 'outputs' is a text; expected an integer.");
  says(net_with("conv2d", R"({"outputs":4,"kernel":[3]})"), "the option 'kernel' has 1 values; expected two, for height and width.");
  says(net_with("conv2d", R"({"outputs":4,"kernel":3})"), "layer 'a': the option 'kernel' is an integer; expected a list of two integers.");
  says(net_with("conv2d", R"({"outputs":4,"weight":{"filler":{"kind":"odd"}}})"),
       "layer 'a': 'weight': 'filler': the option 'kind' is 'odd'; expected 'constant', 'xavier', 'gaussian', 'msra', 'uniform', "
       "'unit_rows' or 'positive_rows'.");
  says(net_with("conv2d", R"({"outputs":0})"), "[conv2d] expected input and output channels");
  says(net_with("dropout", R"({"ratio":2})"), "layer 'a': [dropout] expected a ratio in [0, 1) but got 2.");
  says(net_with("pool", R"({"kind":null})"), "is not an option");
  says(net_with("conv2d", R"({"outputs":18446744073709551615})"), "is not an integer of 64 bits");
  std::string deep = "1";
  for (int i = 0; i < 40; ++i) deep = R"({"a":)" + deep + "}";
  says(net_with("relu", deep), "is not as flat as options are");
}

namespace {

/// A net with all roles.
Model trainee() {
  Model model = face_network({.depth = 4, .width = 0.05, .embedding = 5},
                             {.height = 16, .width = 12, .order = ChannelOrder::rgb, .mean = 127.5 + 1e-13, .scale = 1.0 / 3});
  add_head(model, {.classes = 3});
  return model;
}

}  // namespace

TEST_CASE("net description: roles come back to the bit, and those of a part are those that are left", "[model]") {
  const Model model = trainee();
  const NetDescription description = describe(model.net, model.roles);
  CHECK(round_trip(description) == description);
  CHECK(describe(build_net(description), description.roles) == description);
  CHECK(round_trip(describe(model.net)).roles == Roles{});

  Roles expected = {.image = model.roles.image, .embedding = "fc5"};
  const NetDescription backbone = part_of(description, {"fc5"});
  CHECK(backbone.roles == expected);
  CHECK(backbone.layers.back().name == "fc5");
  CHECK(build_net(description, {.until = {"fc5"}}).layers().size() == backbone.layers.size());
  expected.labels = "labels";
  expected.metrics = {{"accuracy", "accuracy"}};
  expected.class_weights = "fc6.weight";
  CHECK(part_of(description, {"accuracy"}).roles == expected);
  CHECK_THROWS_WITH(part_of(description, {"fc9"}), "[model] the net has no value 'fc9'.");
}

TEST_CASE("net description: a role that names what the net does not have is refused", "[model]") {
  const Model model = trainee();
  const NetDescription good = describe(model.net, model.roles);
  const auto refused = [&](const std::function<void(Roles&)>& change, const std::string& role, const std::string& name) {
    NetDescription bad = good;
    change(bad.roles);
    INFO(role);
    CHECK_THROWS_AS(describe(model.net, bad.roles), UsageError);
    CHECK_THROWS_WITH(describe(model.net, bad.roles), Contains("the role '" + role + "' names the ") && Contains("'" + name + "'"));
    CHECK_THROWS_AS(build_net(bad), DataError);
    // As stored in a file, also where only a part is built, which leaves the role out.
    CHECK_THROWS_AS(build_net(round_trip(bad), {.until = {"conv1_1"}}), DataError);
    CHECK_THROWS_WITH(build_net(round_trip(bad), {.until = {"conv1_1"}}), Contains("the role '" + role + "' names"));
  };
  refused([](Roles& roles) { roles.image->input = "pixels"; }, "image", "pixels");
  refused([](Roles& roles) { roles.labels = "label"; }, "labels", "label");
  refused([](Roles& roles) { roles.embedding = "fc9"; }, "embedding", "fc9");
  refused([](Roles& roles) { roles.loss = "los"; }, "loss", "los");
  refused([](Roles& roles) { roles.metrics.push_back({"top 5", "top5"}); }, "metrics", "top5");
  refused([](Roles& roles) { roles.class_weights = "fc9.weight"; }, "class_weights", "fc9.weight");
  const auto refused_whole = [&](const std::function<void(Roles&)>& change, const std::string& sentence) {
    NetDescription bad = good;
    change(bad.roles);
    CHECK_THROWS_AS(describe(model.net, bad.roles), UsageError);
    CHECK_THROWS_WITH(describe(model.net, bad.roles), Contains(sentence));
    CHECK_THROWS_WITH(build_net(round_trip(bad)), Contains(sentence));
  };
  refused_whole([](Roles& roles) { roles.class_weights = "fc6.wait"; }, "names the parameter 'fc6.wait', which the net does not have");
  refused_whole([](Roles& roles) { roles.embedding = "fc5:1"; }, "names the value 'fc5:1'");
  refused_whole([](Roles& roles) { roles.image->input = "fc5"; }, "names the input 'fc5'");
  refused_whole([](Roles& roles) { roles.image->format.width = 13; },
                "the role 'image' says (N,16,13,3) but the input 'data' is (1,16,12,3)");
}

TEST_CASE("net description: what is wrong with the text of roles is said with its place", "[model]") {
  const Model model = trainee();
  const std::string good = json_of(describe(model.net, model.roles));
  const auto says = [&](const std::string& before, const std::string& now, const std::string& sentence) {
    const std::size_t at = good.rfind(before);
    REQUIRE(at != std::string::npos);
    const std::string text = good.substr(0, at) + now + good.substr(at + before.size());
    INFO(now);
    CHECK_THROWS_AS(description_of_json(text, "m.safetensors"), DataError);
    CHECK_THROWS_WITH(description_of_json(text, "m.safetensors"), Contains("m.safetensors: ") && Contains(sentence));
  };
  says(R"("labels":"labels",)", "", "the roles in the net's description has no 'labels'");
  says(R"("labels":"labels")", R"("labels":"labels","teacher":"fc5")",
       "the roles in the net's description has an unknown member 'teacher'");
  says(R"("labels":"labels")", R"("labels":null)", "the role 'labels' in the net's description is not a text");
  says(R"("height":16)", R"("height":16,"depth":3)", "the role 'image' in the net's description has an unknown member 'depth'");
  says(R"("height":16)", R"("height":16.5)", "the height of the images in the net's description is not an integer");
  says(R"("height":16)", R"("height":0)", "the role 'image': [image format] expected a height");
  says(R"("order":"rgb")", R"("order":"gbr")", "the role 'image': [image format] channel order: expected 'bgr' or 'rgb' but got 'gbr'");
  says(R"("scale":0.3333333333333333)", R"("scale":0.0)", "expected a finite scale");
  says(R"("scale":0.3333333333333333)", R"("scale":"1/3")", "the scale of the images in the net's description is not a number");
  says(R"("scale":0.3333333333333333)", R"("scale":1e999)", "is no JSON");
  says(R"("metrics":[{"name":"accuracy",)", R"("metrics":[{)", "a metric in the net's description has no 'name'");
  Roles endless = model.roles;
  endless.image->format.mean = std::numeric_limits<double>::infinity();
  CHECK_THROWS_AS(describe(model.net, endless), UsageError);
  CHECK_THROWS_WITH(json_of({.inputs = {}, .layers = {}, .roles = endless}), Contains("the role 'image': 'mean' is inf"));
}

TEST_CASE("net description: the first difference of two nets is one sentence", "[model]") {
  const auto small = [](const std::function<void(NetDescription&)>& change = {}) {
    Net net;
    const Value data = net.input("data", {1, 8, 8, 3});
    const Value conv = net.add("conv1_1", Conv2d(64, 3), {data});
    net.add("sum", Add(), {net.add("relu", Relu(), {conv}), conv});
    NetDescription description = describe(net);
    if (change) change(description);
    return description;
  };
  const auto layer = [](Net& net, Conv2d convolution) {
    net.add("conv1_1", std::move(convolution), {net.input("data", {1, 8, 8, 3})});
    return describe(net).layers[0];
  };
  CHECK(first_difference(small(), small()).empty());
  Net narrow, slow;
  const DescribedLayer sixteen = layer(narrow, Conv2d(16, 3));
  const DescribedLayer frozen = layer(slow, Conv2d(64, {3, 1}, {.weight = {.lr_mult = 0}}));
  CHECK(first_difference(small(), small([&](NetDescription& d) { d.layers[0] = sixteen; })) ==
        "layer 'conv1_1': outputs was 64 but now it is 16");
  CHECK(first_difference(small(), small([&](NetDescription& d) { d.layers[0] = frozen; })) ==
        "layer 'conv1_1': kernel was 3x3 but now it is 3x1");
  CHECK(first_difference(small([](NetDescription& d) { d.layers[0].options = {}; }), small()) ==
        "layer 'conv1_1': outputs was not set but now it is 64");
  CHECK(first_difference(small(), small([](NetDescription& d) { d.layers[1].type = "prelu"; })) ==
        "layer 'relu': it was a relu but now it is a prelu");
  CHECK(first_difference(small(), small([](NetDescription& d) { d.layers[2].inputs = {"conv1_1"}; })) ==
        "layer 'sum': it read relu, conv1_1 but now it reads conv1_1");
  CHECK(first_difference(small(), small([](NetDescription& d) { d.layers.pop_back(); })) == "layer 'sum' was there but now it is not");
  CHECK(first_difference(small([](NetDescription& d) { d.layers.pop_back(); }), small()) == "layer 'sum' was not there but now it is");
  CHECK(first_difference(small(), small([](NetDescription& d) { std::swap(d.layers[0], d.layers[1]); })) ==
        "layer 'conv1_1' stood where now 'relu' stands");
  CHECK(first_difference(small(), small([](NetDescription& d) { d.inputs[0].shape[1] = 9; })) ==
        "input 'data': its shape was (1,8,8,3) but now it is (1,9,8,3)");
  CHECK(first_difference(small(), small([](NetDescription& d) { d.inputs[0].dtype = DType::u8; })) ==
        "input 'data': its dtype was that of activations but now it is u8");
}
