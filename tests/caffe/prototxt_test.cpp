// Caffe's text files: what a net and a solver are read as, older forms among them. For mistakes see
// malformed_test.cpp.
#include "caffe/caffe_files.h"
#include "catch.h"

#include <amnet/caffe/caffe_file.h>

using namespace amnet;
using caffe_files::refusal;
using caffe_files::Written;

namespace {

CaffeNet net_of(std::string_view text) { return read_caffe_net(Written("net.prototxt", text).path()); }
Options solver_of(std::string_view text) { return read_caffe_solver(Written("solver.prototxt", text).path()).options; }
std::string refused(std::string_view text) { return refusal("net.prototxt", text, read_caffe_net); }

/// "{axis 1, …}": a field of a layer, and of a solver, as text.
std::string text_of_field(const Options& options, std::string_view name) {
  const OptionValue* found = options.find(name);
  return found == nullptr ? "absent" : text_of(*found);
}

constexpr std::string_view small_net = R"(name: "small"
force_backward: true
layer {
  name: "conv"
  type: "Convolution"
  bottom: "data"
  top: "conv"
  param { lr_mult: 1 decay_mult: 0.5 }
  param { lr_mult: 2 }
  include { phase: TRAIN }
  convolution_param {
    num_output: 8 kernel_size: 3 pad: [1, 2]  # a list
    weight_filler < type: 'xavier' variance_norm: FAN_OUT >
    engine: CAFFE;
  }
}
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "conv" bottom: "label" top: "loss" loss_weight: 0.1 propagate_down: [true, false] }
)";

}  // namespace

TEST_CASE("caffe: a net is read with all that it sets, and nothing else", "[caffe]") {
  const CaffeNet net = net_of(small_net);
  CHECK(net.name == "small");
  CHECK(text_of_field(net.options, "force_backward") == "true");
  REQUIRE(net.layers.size() == 2);
  const CaffeLayer& conv = net.layers[0];
  CHECK(conv.name == "conv");
  CHECK(conv.type == "Convolution");
  CHECK(conv.bottoms == std::vector<std::string>{"data"});
  CHECK(conv.tops == std::vector<std::string>{"conv"});
  CHECK(conv.phases == "TRAIN");
  CHECK(conv.line == 3);
  Options filler, options, first, second, rule;
  filler.set("type", {std::string("xavier")});
  filler.set("variance_norm", {std::string("FAN_OUT")});
  options.set("num_output", {std::int64_t{8}});
  options.set("pad", {OptionList{{std::int64_t{1}}, {std::int64_t{2}}}});
  options.set("kernel_size", {OptionList{{std::int64_t{3}}}});
  options.set("weight_filler", {filler});
  options.set("engine", {std::string("CAFFE")});
  first.set("lr_mult", {1.0});
  first.set("decay_mult", {0.5});
  second.set("lr_mult", {2.0});
  rule.set("phase", {std::string("TRAIN")});
  Options all;
  all.set("param", {OptionList{{first}, {second}}});
  all.set("include", {OptionList{{rule}}});
  all.set("convolution_param", {options});
  CHECK(conv.options == all);
  const CaffeLayer& loss = net.layers[1];
  CHECK(loss.line == 17);
  CHECK(loss.phases.empty());
  CHECK(text_of_field(loss.options, "loss_weight") == "0.1");  // not 0.10000000149
  CHECK(*loss.options.find("propagate_down") == OptionValue{OptionList{{true}, {false}}});
}

TEST_CASE("caffe: when a layer is in the net", "[caffe]") {
  const auto phases = [](const std::string& rules) {
    return net_of("layer { name: \"a\" type: \"ReLU\" " + rules + " }").layers.at(0).phases;
  };
  CHECK(phases("").empty());
  CHECK(phases("include { phase: TEST }") == "TEST");
  CHECK(phases("exclude { phase: TEST }") == "not TEST");
  CHECK(phases("include { phase: TRAIN stage: \"a\" not_stage: \"b\" } include { min_level: 1 max_level: 3 }") ==
        "TRAIN and stage a and not stage b or level >= 1 and level <= 3");
  CHECK(phases("exclude { phase: TEST stage: \"a\" }") == "not (TEST and stage a)");
  CHECK(phases("include { }") == "always");
}

TEST_CASE("caffe: numbers are those of the file", "[caffe]") {
  const Options solver = solver_of("base_lr: 0.1f weight_decay: 5e-4 gamma: -.5 stepvalue: 0x10 stepvalue: 24000 random_seed: -9000000000");
  CHECK(std::get<double>(solver.find("base_lr")->value) == 0.1);
  CHECK(std::get<double>(solver.find("weight_decay")->value) == 5e-4);
  CHECK(std::get<double>(solver.find("gamma")->value) == -0.5);
  CHECK(*solver.find("stepvalue") == OptionValue{OptionList{{std::int64_t{16}}, {std::int64_t{24000}}}});
  CHECK(std::get<std::int64_t>(solver.find("random_seed")->value) == -9'000'000'000);
}

TEST_CASE("caffe: a solver, its enumerations, and the older name of its type", "[caffe]") {
  const Options solver =
      solver_of("net: \"a.prototxt\" solver_mode: CPU solver_type: ADAM test_iter: 10 test_iter: 20 lr_policy: \"step\"");
  CHECK(text_of_field(solver, "net") == "a.prototxt");
  CHECK(text_of_field(solver, "solver_mode") == "CPU");
  CHECK(text_of_field(solver, "type") == "Adam");
  CHECK(text_of_field(solver, "solver_type") == "absent");
  CHECK(*solver.find("test_iter") == OptionValue{OptionList{{std::int64_t{10}}, {std::int64_t{20}}}});
}

TEST_CASE("caffe: nets inside a solver are read like nets in files", "[caffe]") {
  const Options solver =
      solver_of("net_param { layers { name: \"r\" type: RELU } } test_net_param { input: \"x\" } test_net_param { name: \"n\" }");
  CHECK(text_of_field(solver, "net_param") == "{layer {name r, type ReLU}}");
  CHECK(text_of_field(solver, "test_net_param") == "[{layer {name input, type Input, top x, input_param {}}}, {name n}]");
}

TEST_CASE("caffe: a V1 net becomes a current one", "[caffe]") {
  const CaffeNet net = net_of(R"(name: "old"
layers {
  name: "data" type: DATA top: "data" top: "label"
  data_param { source: "db" batch_size: 4 scale: 0.5 mean_file: "m" crop_size: 3 mirror: true backend: LMDB }
  include: { phase: TRAIN }
}
layers {
  name: "conv" type: CONVOLUTION bottom: "data" top: "conv"
  blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0 weight_decay: 3
  convolution_param { num_output: 8 }
}
layers { name: "loss" type: SOFTMAX_LOSS bottom: "conv" bottom: "label" loss_weight: 2 exclude { phase: TEST } }
)");
  REQUIRE(net.layers.size() == 3);
  CHECK(net.layers[0].type == "Data");
  CHECK(net.layers[0].line == 2);
  CHECK(net.layers[0].phases == "TRAIN");
  CHECK(net.layers[0].tops == std::vector<std::string>{"data", "label"});
  CHECK(text_of_field(net.layers[0].options, "data_param") == "{source db, batch_size 4, backend LMDB}");
  CHECK(text_of_field(net.layers[0].options, "transform_param") == "{scale 0.5, mirror true, crop_size 3, mean_file m}");
  CHECK(net.layers[1].type == "Convolution");
  CHECK(net.layers[1].line == 7);
  CHECK(text_of_field(net.layers[1].options, "param") == "[{lr_mult 1, decay_mult 1}, {lr_mult 2, decay_mult 0}, {decay_mult 3}]");
  CHECK(text_of_field(net.layers[1].options, "convolution_param") == "{num_output 8}");
  CHECK(net.layers[2].type == "SoftmaxWithLoss");
  CHECK(net.layers[2].phases == "not TEST");
  CHECK(text_of_field(net.layers[2].options, "loss_weight") == "2");
}

TEST_CASE("caffe: inputs of a net become a layer", "[caffe]") {
  const std::string layer = "layer { name: \"r\" type: \"ReLU\" bottom: \"x\" top: \"y\" }\n";
  CaffeNet net = net_of("input: \"x\" input: \"z\"\n" + layer + "input_dim: 1 input_dim: 3 input_dim: 4 input_dim: 5\n" +
                        "input_dim: 9 input_dim: 8 input_dim: 7 input_dim: 6");
  REQUIRE(net.layers.size() == 2);
  CHECK(net.layers[0].name == "input");
  CHECK(net.layers[0].type == "Input");
  CHECK(net.layers[0].line == 1);
  CHECK(net.layers[0].tops == std::vector<std::string>{"x", "z"});
  CHECK(text_of_field(net.layers[0].options, "input_param") == "{shape [{dim [1, 3, 4, 5]}, {dim [9, 8, 7, 6]}]}");
  CHECK(net.layers[1].line == 2);
  CHECK(net.options.entries().empty());
  net = net_of(layer + "input: \"x\" input_shape { dim: 1 dim: 2 dim: 3 }");
  CHECK(text_of_field(net.layers[0].options, "input_param") == "{shape {dim [1, 2, 3]}}");
  CHECK(net.layers[0].line == 2);
  CHECK(text_of_field(net_of("input: \"x\"\n" + layer).layers.at(0).options, "input_param") == "{}");
}

TEST_CASE("caffe: the three parameters of BatchNorm are no solver's", "[caffe]") {
  const auto params = [](const std::string& text) {
    return text_of_field(net_of("layer { name: \"b\" type: \"BatchNorm\" " + text + " }").layers.at(0).options, "param");
  };
  const std::string one = "param { lr_mult: 3 } ";
  CHECK(params(one + one + one) == "[{lr_mult 0, decay_mult 0}, {lr_mult 0, decay_mult 0}, {lr_mult 0, decay_mult 0}]");
  CHECK(params(one) == "{lr_mult 3}");
}

TEST_CASE("caffe: of many names those that are most like the written one are offered", "[caffe]") {
  CHECK(refused("layer {\n lrn_param\n{ }\n}").starts_with("net.prototxt:2: LayerParameter has no field 'lrn_param'; it has "));
  CHECK(refused("layers { type: CONV }")
            .starts_with("net.prototxt:1: 'type' of V1LayerParameter is 'CONV'; expected one of CONVOLUTION, DECONVOLUTION, CONCAT, "));
  const std::string sentence = refused(std::string(10'000'000, 'n') + ": 1");
  CHECK(sentence.starts_with("net.prototxt:1: NetParameter has no field 'nnnn"));
  CHECK(sentence.size() < 300);
}

TEST_CASE("caffe: a list in brackets has the line in which it begins", "[caffe]") {
  const CaffeNet net = net_of("\nlayer: [ { name: \"a\" },\n { name: \"b\" }, < > ];");
  REQUIRE(net.layers.size() == 3);
  for (const CaffeLayer& layer : net.layers) CHECK(layer.line == 2);
  CHECK(refused("layer {\n  loss_weight: [1,\n    2, nan]\n}").starts_with("net.prototxt:2: 'loss_weight' of LayerParameter is nan; "));
  CHECK(refused("layer: [ { name: \"a\" },\n { nam: \"b\" } ]").starts_with("net.prototxt:2: LayerParameter has no field 'nam'; "));
}

TEST_CASE("caffe: a text of too many bytes or blocks is refused", "[caffe]") {
  CHECK(refused(std::string((16U << 20) + 1, ' ')) == "net.prototxt: expected at most 16777216 bytes but the file has 16777217.");
  std::string blocks;
  for (int i = 0; i < 100'001; ++i) blocks += "layer{}";
  CHECK(refused(blocks) == "net.prototxt: expected at most 100000 blocks but the file has 100001; it is damaged.");
  std::string deep;
  for (int i = 0; i < 50'000; ++i) deep += "layer{";
  CHECK(refused(deep).starts_with("net.prototxt:1: LayerParameter has no field 'layer', which NetParameter has; "));
}

TEST_CASE("caffe: a byte order mark and texts in other encodings are read", "[caffe]") {
  CHECK(net_of("\xEF\xBB\xBFname: \"a\" # \xB2\xE2\xCA\xD4").name == "a");
  CHECK(text_of_field(solver_of("snapshot_prefix: \"\xB2\xE2\""), "snapshot_prefix") == "\xB2\xE2");
}

TEST_CASE("caffe: a prototxt cut short at any byte, or with any byte changed, is read or refused", "[caffe]") {
  int read = 0, refusals = 0;
  const auto count = [&](const std::string& sentence) { sentence.empty() ? ++read : ++refusals; };
  for (std::size_t size = 0; size < small_net.size(); ++size) count(refused(small_net.substr(0, size)));
  for (std::size_t at = 0; at < small_net.size(); ++at) {
    std::string text(small_net);
    text[at] = text[at] == '{' ? '}' : '{';
    count(refused(text));
  }
  CHECK(read > 0);
  CHECK(refusals > 500);
}
