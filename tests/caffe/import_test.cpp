// Nets of Caffe as nets of amnet: which layers are in them, what their values are for, weights, and
// what is refused.
#include <amnet/caffe/import.h>
#include <amnet/caffe/solver_settings.h>
#include <amnet/net/plan.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "catch.h"

using namespace amnet;
using Catch::Matchers::Contains;

namespace {

const std::string input = R"(layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 5 } } }
)";

CaffeModel imported(const std::string& text, const CaffeImportOptions& options = {}) {
  return import_caffe_net(caffe_net_of_text(text, "net.prototxt"), options);
}

void refuses(const std::string& text, const std::string& sentence, const CaffeImportOptions& options = {}) {
  INFO(text);
  CHECK_THROWS_WITH(imported(text, options), Contains(sentence));
}

std::vector<std::string> names_of_layers(const Net& net) {
  std::vector<std::string> names;
  for (const NetLayer& layer : net.layers()) names.push_back(layer.name + " " + std::string(layer.layer->type()));
  return names;
}

/// The blob of a net of one input "x" with the values 0, 1, 2 … in Caffe's order.
std::vector<float> run(const std::string& text, const std::string& blob, Phase phase = Phase::test) {
  CaffeModel caffe = imported(text, {.phase = phase});
  caffe.model.net.initialise(1);
  Plan plan(caffe.model.net, {.batch = 2, .keep = {caffe.value(blob)}});
  const Tensor& x = plan.value(caffe.value("x"));
  const Shape& shape = x.shape();
  const std::int64_t channels = shape.rank() == 4 ? shape[3] : 1, pixels = shape.rank() == 4 ? shape[1] * shape[2] : shape.count_from(1);
  for (std::int64_t i = 0; i < x.count(); ++i) {
    const std::int64_t p = i % pixels, c = i / pixels % channels, n = i / pixels / channels;
    x.data<float>()[static_cast<std::size_t>((n * pixels + p) * channels + c)] = static_cast<float>(i);
  }
  Device device = Cpu(1);
  plan.forward(device, {.phase = phase});
  const std::span<const float> found = plan.value(caffe.value(blob)).data<float>();
  return {found.begin(), found.end()};
}

}  // namespace

TEST_CASE("caffe import: phases, levels and stages choose the layers", "[caffe]") {
  const std::string text = input + R"(
layer { name: "train" type: "ReLU" bottom: "x" top: "t" include { phase: TRAIN } }
layer { name: "test" type: "ReLU" bottom: "x" top: "t" exclude { phase: TRAIN } }
layer { name: "high" type: "ReLU" bottom: "x" top: "h" include { min_level: 2 } }
layer { name: "staged" type: "ReLU" bottom: "x" top: "s" include { stage: "deploy" not_stage: "raw" } })";
  using Names = std::vector<std::string>;
  CHECK(names_of_layers(imported(text, {.phase = Phase::train}).model.net) == Names{"train relu"});
  CHECK(names_of_layers(imported(text, {.phase = Phase::test}).model.net) == Names{"test relu"});
  CHECK(names_of_layers(imported(text, {.level = 2, .stages = {"deploy"}}).model.net) == Names{"test relu", "high relu", "staged relu"});
  CHECK(names_of_layers(imported(text, {.stages = {"deploy", "raw"}}).model.net) == Names{"test relu"});
  refuses(input + R"(layer { name: "both" type: "ReLU" bottom: "x" top: "y" include { phase: TRAIN } exclude { phase: TEST } })",
          "net.prototxt:2: the layer 'both' has both include and exclude rules");
}

TEST_CASE("caffe import: layers in place give a blob its last value, and names stay apart", "[caffe]") {
  const CaffeModel caffe = imported(input + R"(
layer { name: "x" type: "Power" bottom: "x" top: "y" power_param { shift: -70 } }
layer { name: "relu.1 a" type: "ReLU" bottom: "y" top: "y" }
layer { name: "split" type: "Split" bottom: "y" top: "a" top: "b" }
layer { name: "add" type: "Eltwise" bottom: "a" bottom: "b" top: "sum" }
layer { name: "quiet" type: "Silence" bottom: "sum" })");
  CHECK(caffe.blobs.at("y") == "relu_1_a");
  CHECK(caffe.blobs.at("a") == "relu_1_a");
  CHECK(caffe.blobs.at("sum") == "add");
  CHECK(names_of_layers(caffe.model.net) == std::vector<std::string>{"x_2 power", "relu_1_a relu", "add add"});
}

TEST_CASE("caffe import: axes are those of Caffe's order", "[caffe]") {
  // x is (2,3,4,5): index n 60 + c 20 + h 5 + w
  const std::vector<float> sums =
      run(input + R"(layer { name: "r" type: "Reduction" bottom: "x" top: "y" reduction_param { axis: 2 } })", "y");
  REQUIRE(sums.size() == 6);
  CHECK(sums[1] == 20 * 20 + 190);  // of c = 1: 20 .. 39
  const std::vector<float> part =
      run(input + R"(layer { name: "s" type: "Slice" bottom: "x" top: "a" top: "b" slice_param { axis: 2 slice_point: 1 } })", "a");
  REQUIRE(part.size() == 2 * 3 * 1 * 5);
  CHECK(part[1] == 20);  // (n 0, h 0, w 0, c 1) in amnet's order
  const std::vector<float> flat = run(input + R"(layer { name: "f" type: "Flatten" bottom: "x" top: "y" flatten_param { axis: 2 } })", "y");
  CHECK(flat[21] == 21);
  const std::vector<float> shaped =
      run(input + R"(layer { name: "r" type: "Reshape" bottom: "x" top: "y" reshape_param { shape { dim: 0 dim: 12 dim: -1 } } })", "y");
  CHECK(shaped[59] == 59);
  const std::vector<float> scaled = run(input + R"(
layer { name: "m" type: "Reduction" bottom: "x" top: "m" reduction_param { operation: MEAN axis: 3 } }
layer { name: "s" type: "Scale" bottom: "x" bottom: "m" top: "y" scale_param { axis: 0 } })",
                                        "y");
  CHECK(scaled[0] == 0 * 2);
  CHECK(scaled[3] == 1 * 2);               // (h 0, w 1, c 0): x 1, mean of its row 2
  CHECK(scaled[2 * 60 - 1] == 119 * 117);  // the last one
  const std::vector<float> softmax =
      run(input + R"(layer { name: "s" type: "Softmax" bottom: "x" top: "y" softmax_param { axis: 2 } })", "y");
  CHECK(softmax[0] == Approx(1 / (1 + std::exp(5.0) + std::exp(10.0) + std::exp(15.0))).epsilon(1e-5));
}

TEST_CASE("caffe import: losses add up by their weights, and propagate_down ends gradients", "[caffe]") {
  const std::string text = R"(
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "f" inner_product_param { num_output: 3 bias_term: false weight_filler { value: 1 } } }
layer { name: "stopped" type: "InnerProduct" bottom: "f" top: "g" propagate_down: false
        inner_product_param { num_output: 1 bias_term: false weight_filler { value: 1 } } }
layer { name: "norm" type: "Reduction" bottom: "g" top: "all" reduction_param { operation: SUM } loss_weight: 0.5 }
layer { name: "power" type: "Power" bottom: "f" top: "p" power_param { scale: 2 } loss_weight: 0.25 })";
  CaffeModel caffe = imported(text, {.phase = Phase::train});
  Model& model = caffe.model;
  REQUIRE(model.roles.loss == "total_loss");
  model.net.initialise(1);
  Plan plan(model.net, {.batch = 2, .loss = model.loss(), .keep = {caffe.value("all")}});
  plan.value(caffe.value("x")).fill(1);
  Device device = Cpu(1);
  plan.forward(device);
  plan.backward(device);
  // f = 3 everywhere, all = 2 * 9, p = 6 everywhere
  CHECK(plan.value(model.loss()).item() == Approx(0.5 * 18 + 0.25 * 36));
  model.net.look([&](const std::string& name, const Parameter& parameter) {
    const Tensor& gradient = plan.gradient(parameter);
    REQUIRE(gradient.defined());
    // of fc only through `power`: 2 samples * 0.25 * 2 * x
    CHECK(gradient.data<float>()[0] == Approx(name == "fc.weight" ? 2 * 0.25 * 2 * 1 : 2 * 0.5 * 3));
  });
}

TEST_CASE("caffe import: of several losses one may be called loss, and figures of a loss have no gradient", "[caffe]") {
  const std::string text = R"(
layer { name: "in" type: "Input" top: "x" top: "label" input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }
layer { name: "ip" type: "InnerDistance" bottom: "x" top: "d" inner_distance_param { num_output: 4 weight_filler { value: 0.1 } } }
layer { name: "first" type: "GeneralContrastiveLoss" bottom: "d" bottom: "label" top: "loss" top: "mean" loss_weight: 1 loss_weight: 1 }
layer { name: "second" type: "SoftmaxWithLoss" bottom: "d" bottom: "label" top: "other" })";
  CaffeModel caffe = imported(text, {.phase = Phase::train});
  Model& model = caffe.model;
  CHECK(model.roles.loss == "total_loss");
  CHECK(model.roles.metrics == std::vector<MetricRole>{{"loss_of_first", "first"}, {"other", "second"}});
  CHECK(caffe.least_logit);
  model.net.initialise(1);
  Plan plan(model.net, {.batch = 2, .loss = model.loss(), .keep = {caffe.value("loss"), caffe.value("mean"), caffe.value("other")}});
  plan.value(caffe.value("x")).fill(0.5);
  plan.value(caffe.value("label")).clear();
  Device device = Cpu(1);
  plan.forward(device);
  plan.backward(device);
  const auto mean = plan.value(caffe.value("mean")).data<float>();
  CHECK(plan.value(model.loss()).item() ==
        Approx(plan.value(caffe.value("loss")).item() + plan.value(caffe.value("other")).item() + mean[0] + mean[1]));
  refuses(R"(layer { name: "in" type: "Input" top: "x" top: "l" input_param { shape { dim: 2 dim: 3 } shape { dim: 2 } } }
layer { name: "split" type: "Split" bottom: "l" top: "m" loss_weight: 1 }
layer { name: "acc" type: "Accuracy" bottom: "x" bottom: "m" top: "a" })",
          "its top 'm' holds labels, which no loss is the sum of.");
}

TEST_CASE("caffe import: roles of a classifier", "[caffe]") {
  const std::string text = R"(
layer { name: "data" type: "ImageData" top: "data" top: "label" transform_param { mean_value: 127.5 scale: 0.01 } image_data_param { batch_size: 3 } }
layer { name: "fc5" type: "InnerProduct" bottom: "data" top: "fc5" inner_product_param { num_output: 4 } }
layer { name: "norm" type: "Normalize" bottom: "fc5" top: "norm" }
layer { name: "fc6" type: "InnerProduct" bottom: "norm" top: "fc6" inner_product_param { num_output: 9 normalize: true bias_term: false } }
layer { name: "margin" type: "LabelSpecificAdd" bottom: "fc6" bottom: "label" top: "m" label_specific_add_param { bias: -0.35 } }
layer { name: "scale" type: "Scale" bottom: "m" top: "s" param { lr_mult: 0 } scale_param { filler { value: 30 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "s" bottom: "label" top: "loss" }
layer { name: "acc" type: "Accuracy" bottom: "fc6" bottom: "label" top: "accuracy" })";
  const CaffeModel caffe = imported(text, {.phase = Phase::train, .image = CaffeImage{3, 8, 6}});
  const Roles& roles = caffe.model.roles;
  CHECK(roles.labels == "label");
  CHECK(roles.embedding == "fc5");
  CHECK(roles.class_weights == "fc6.weight");
  CHECK(roles.loss == "loss");
  CHECK(roles.metrics == std::vector<MetricRole>{{"accuracy", "acc"}});
  CHECK(caffe.logits == "fc6");
  CHECK(roles.image == ImageRole{"data", {.height = 8, .width = 6, .mean = 127.5, .scale = 0.01}});
  refuses(text, "net.prototxt:2: the layer 'data' (ImageData): it takes the size of its images from the files that it reads");
}

TEST_CASE("caffe import: weights fit or are refused by layer and shapes", "[caffe]") {
  const std::string text = R"(
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2 transpose: true } }
layer { name: "scale" type: "Scale" bottom: "y" top: "z" scale_param { num_axes: 0 } })";
  CaffeModel caffe = imported(text);
  const auto floats = [](Shape shape, std::vector<float> values) { return Tensor::of(shape, std::span<const float>(values)); };
  CaffeWeights weights{.net = "",
                       .layers = {{"fc", "InnerProduct", {floats({1, 1, 3, 2}, {1, 2, 3, 4, 5, 6}), floats({1, 1, 1, 2}, {7, 8})}},
                                  {"scale", "Scale", {floats({1}, {9})}},
                                  {"other", "Scale", {floats({1}, {9})}}}};
  const CaffeLoaded loaded = load_caffe_weights(weights, caffe, "w.caffemodel");
  CHECK(loaded.left_out == std::vector<std::string>{"other"});
  CHECK(loaded.missing.empty());
  const auto value = [&](const std::string& name) {
    Tensor found;
    caffe.model.net.look([&](const std::string& each, const Parameter& parameter) { found = each == name ? parameter.value : found; });
    return std::vector<float>(found.data<float>().begin(), found.data<float>().end());
  };
  CHECK(value("fc.weight") == std::vector<float>{1, 3, 5, 2, 4, 6});  // (2,3)
  CHECK(value("fc.bias") == std::vector<float>{7, 8});
  CHECK(value("scale.scale") == std::vector<float>{9});

  weights.layers[0].blobs[0] = floats({2, 3}, {0, 0, 0, 0, 0, 0});
  CHECK_THROWS_WITH(load_caffe_weights(weights, caffe, "w.caffemodel"),
                    Contains("w.caffemodel: blob 0 of the layer 'fc' is (2,3) but the net of net.prototxt needs (3,2)."));
  CHECK(value("fc.bias") == std::vector<float>{7, 8});
  CHECK(load_caffe_weights(weights, caffe, "w.caffemodel", {.keep_unlike = true}).unlike == std::vector<std::string>{"fc"});
  weights.layers[0].blobs.pop_back();
  CHECK_THROWS_WITH(load_caffe_weights(weights, caffe, "w.caffemodel"),
                    Contains("the layer 'fc' has 1 blob(s) but the net of net.prototxt needs 2."));
  weights.layers.erase(weights.layers.begin());
  CHECK(load_caffe_weights(weights, caffe, "w.caffemodel").missing == std::vector<std::string>{"fc/0", "fc/1"});
}

TEST_CASE("caffe import: what amnet does not have is refused with file, line and name", "[caffe]") {
  const auto layer = [](const std::string& fields) { return input + "layer { name: \"l\" bottom: \"x\" top: \"y\" " + fields + " }"; };
  refuses(layer(R"(type: "Gram")"), "net.prototxt:2: the layer 'l' has the type 'Gram', which amnet does not have; it has Accuracy, ");
  refuses(layer(R"(type: "ReLU" param { lr_mult: 1 })"), "it has 1 param blocks but 0 blob(s).");
  refuses(layer(R"(type: "Convolution" convolution_param { num_output: 2 kernel_size: 9 })"),
          "net.prototxt:2: the layer 'l' (Convolution): ");
  refuses(layer(R"(type: "Convolution" convolution_param { num_output: 2 })"), "expected a kernel_size of 1 or more.");
  refuses(layer(R"(type: "Convolution" convolution_param { num_output: 2 kernel_size: 3 kernel_h: 2 })"),
          "it has both kernel_size and kernel_h or kernel_w; keep one of them.");
  refuses(layer(R"(type: "InnerProduct" inner_product_param { num_output: 2 axis: 4 })"), "its axis is 4 but its bottom has 4 axes.");
  refuses(layer(R"(type: "InnerProduct" inner_product_param { num_output: 2 weight_filler { type: "bilinear" } })"),
          "its inner_product_param.weight_filler has the type 'bilinear'; amnet knows constant, ");
  refuses(layer(R"(type: "Eltwise")"), "expected 2 to 1000 bottom(s) but got 1.");
  refuses(layer(R"(type: "Softmax" softmax_param { normalize_type: "Spherical" })"),
          "its normalize_type is 'Spherical'; amnet knows Softmax.");
  refuses(layer(R"(type: "ReLU" loss_weight: 1 loss_weight: 1)"), "has 2 loss_weight(s) but 1 top(s); give each its own.");
  refuses(layer(R"(type: "ReLU" propagate_down: true propagate_down: true)"), "it has 2 propagate_down(s) but 1 bottom(s)");
  refuses(layer(R"(type: "Reshape" reshape_param { shape { dim: 7 dim: -1 } })"), "net.prototxt:2: the layer 'l' (Reshape): ");
  refuses(layer(R"(type: "Scale" scale_param { axis: 3 num_axes: 2 })"), "its axis 3 and num_axes 2 go beyond the 4 axes of its bottom.");
  refuses(layer(R"(type: "Slice" slice_param { axis: 1 slice_dim: 1 })"), "it has both axis and slice_dim; keep one of them.");
  refuses(input + R"(layer { name: "l" type: "ReLU" bottom: "z" top: "y" })",
          "net.prototxt:2: the layer 'l' (ReLU): it reads 'z', which no layer before it gives.");
  refuses(input + input, "its top 'x' is that of an earlier layer, which is allowed in place alone");
  refuses(R"(layer { name: "data" type: "Input" top: "x" input_param { shape { dim: 0 } } })", "has an extent");
  refuses(R"(layer { name: "data" type: "Input" top: "x" top: "z" top: "w" input_param { shape { dim: 1 } shape { dim: 2 } } })",
          "it has 2 shapes but 3 top(s); give each its own, or one for all.");
}

TEST_CASE("caffe import: a block of another layer type is told, as Caffe does not read it", "[caffe]") {
  const CaffeModel caffe = imported(input + R"(layer { name: "l" type: "ReLU" bottom: "x" top: "y" pooling_param { kernel_size: 2 } })");
  CHECK(caffe.notes == std::vector<std::string>{
                           "net.prototxt:2: the layer 'l' (ReLU): it has a 'pooling_param', which a layer of this type does not read."});
}

TEST_CASE("caffe import: a solver's settings", "[caffe]") {
  const auto settings = [](const std::string& text) {
    return caffe_solver_settings(caffe_solver_of_text(text, "s.prototxt"), "s.prototxt");
  };
  const CaffeSolverSettings read = settings(
      "net: \"n.prototxt\" base_lr: 0.1 lr_policy: \"inv\" gamma: 0.5 power: 2 max_iter: 7 iter_size: 3 type: \"Adam\" momentum: 0.8 "
      "momentum2: 0.99 delta: 0.001 weight_decay: 0.01 regularization_type: \"L1\" clip_gradients: 5 solver_mode: CPU test_iter: 4 "
      "test_interval: 2 test_initialization: false snapshot: 6 display: 5 random_seed: 9 average_loss: 3 snapshot_prefix: \"a/b\"");
  CHECK(read.net == "n.prototxt");
  CHECK(read.schedule.at(2) == Approx(0.1 / 4));
  CHECK(read.solver.method == SolverMethod::adam);
  CHECK((read.solver.momentum == 0.8 && read.solver.beta2 == 0.99 && read.solver.epsilon == 0.001 && read.solver.weight_decay == 0.01));
  CHECK((read.solver.regularization == Regularization::l1 && read.solver.clip_norm == 5));
  CHECK((read.steps == 7 && read.accumulate == 3 && read.engine == CaffeEngine::cpu && read.log_every == 5 && read.snapshot_every == 6));
  CHECK((read.seed == 9 && read.test_every == 2 && read.test_batches == 4 && !read.test_first));
  CHECK(settings("max_iter: 1 base_lr: 1 solver_mode: GPU").engine == CaffeEngine::gpu);
  const auto says = [&](const std::string& text, const std::string& sentence) { CHECK_THROWS_WITH(settings(text), Contains(sentence)); };
  says("base_lr: 0.1", "s.prototxt: it has no max_iter of 1 or more");
  says("max_iter: 1", "s.prototxt: it has no base_lr");
  says("max_iter: 1 base_lr: 1 lr_policy: \"cosine\"", "its lr_policy is 'cosine'; amnet knows 'fixed', ");
  says("max_iter: 1 base_lr: 1 type: \"AdaGrad\"", "its type is 'AdaGrad'; amnet knows SGD, Nesterov and Adam.");
  says("max_iter: 1 base_lr: 1 regularization_type: \"L0\"", "its regularization_type is 'L0'; amnet knows L1 and L2.");
  says("max_iter: 1 base_lr: 1 test_iter: 1 test_iter: 2", "it has 2 test_iter; amnet tests one net.");
}
