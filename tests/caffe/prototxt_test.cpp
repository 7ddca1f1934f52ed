// Caffe's text files: what a net and a solver are read as, older forms among them, and one sentence
// for every mistake.
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
std::string refused_solver(std::string_view text) { return refusal("solver.prototxt", text, read_caffe_solver); }

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
  CHECK(refused_solver("type: \"SGD\" solver_type: SGD") ==
        "solver.prototxt: expected type or solver_type but the solver has both; remove solver_type.");
}

TEST_CASE("caffe: nets inside a solver are read like nets in files", "[caffe]") {
  const Options solver =
      solver_of("net_param { layers { name: \"r\" type: RELU } } test_net_param { input: \"x\" } test_net_param { name: \"n\" }");
  CHECK(text_of_field(solver, "net_param") == "{layer {name r, type ReLU}}");
  CHECK(text_of_field(solver, "test_net_param") == "[{layer {name input, type Input, top x, input_param {}}}, {name n}]");
  CHECK(refused_solver("train_net_param {\n  layers {\n    layer { name: \"a\" }\n  }\n}").starts_with("solver.prototxt:3: "));
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
  CHECK(refused("input: \"x\" input_dim: 1 input_dim: 3") ==
        "net.prototxt:1: expected 4 values of input_dim for 1 inputs but there are 2.");
  CHECK(refused("input: \"x\"\ninput: \"y\"\ninput_shape { dim: 3 }") ==
        "net.prototxt:1: expected one input_shape for each input but there are 1 for 2.");
  CHECK(refused("\ninput_dim: 1") == "net.prototxt:2: expected 0 values of input_dim for 0 inputs but there are 1.");
  CHECK(refused("input: \"x\" input_shape { dim: 3 } input_dim: 1 input_dim: 1 input_dim: 1 input_dim: 1") ==
        "net.prototxt:1: expected input_dim or input_shape but the net has both.");
}

TEST_CASE("caffe: the three parameters of BatchNorm are no solver's", "[caffe]") {
  const auto params = [](const std::string& text) {
    return text_of_field(net_of("layer { name: \"b\" type: \"BatchNorm\" " + text + " }").layers.at(0).options, "param");
  };
  const std::string one = "param { lr_mult: 3 } ";
  CHECK(params(one + one + one) == "[{lr_mult 0, decay_mult 0}, {lr_mult 0, decay_mult 0}, {lr_mult 0, decay_mult 0}]");
  CHECK(params(one) == "{lr_mult 3}");
}

TEST_CASE("caffe: a field that a message does not have is refused with those that it has", "[caffe]") {
  CHECK(refused("name: \"a\"\nlayer {\n  name: \"c\"\n  convolution_param {\n    num_outputs: 3\n  }\n}") ==
        "net.prototxt:5: ConvolutionParameter has no field 'num_outputs'; it has num_output, group, bias_term, pad, stride, pad_h, pad_w, "
        "axis, dilation, kernel_size, bias_filler, kernel_h and others.");
  CHECK(refused("layer { dropout_param { ratio: 0.5 } }") ==
        "net.prototxt:1: DropoutParameter has no field 'ratio'; it has dropout_ratio.");
  CHECK(refused("layer { relu_param { slope: 0.5 } }") ==
        "net.prototxt:1: ReLUParameter has no field 'slope'; it has negative_slope, engine.");
  CHECK(refused("layer {\n lrn_param\n{ }\n}").starts_with("net.prototxt:2: LayerParameter has no field 'lrn_param'; it has "));
  CHECK(refused_solver("base_lr: 1\nmax_iters: 3")
            .starts_with("solver.prototxt:2: SolverParameter has no field 'max_iters'; it has max_iter, "));
  const std::string sentence = refused(std::string(10'000'000, 'n') + ": 1");
  CHECK(sentence.starts_with("net.prototxt:1: NetParameter has no field 'nnnn"));
  CHECK(sentence.size() < 300);
}

TEST_CASE("caffe: a value of another type is refused with what was expected", "[caffe]") {
  const auto of_pooling = [](const std::string& text) { return refused("layer { pooling_param {\n" + text + " } }"); };
  const std::string where = "net.prototxt:2: ";
  CHECK(of_pooling("kernel_size: \"3\"") ==
        where + "'kernel_size' of PoolingParameter is '\"3\"'; expected an integer from 0 to 4294967295.");
  CHECK(of_pooling("kernel_size: -3") == where + "'kernel_size' of PoolingParameter is '-3'; expected an integer from 0 to 4294967295.");
  CHECK(of_pooling("kernel_size: 4294967296") ==
        where + "'kernel_size' of PoolingParameter is '4294967296'; expected an integer from 0 to 4294967295.");
  CHECK(of_pooling("kernel_size: 1.5") == where + "'kernel_size' of PoolingParameter is '1.5'; expected an integer from 0 to 4294967295.");
  CHECK(of_pooling("pool: AVERAGE") == where + "'pool' of PoolingParameter is 'AVERAGE'; expected one of MAX, AVE, STOCHASTIC.");
  CHECK(of_pooling("global_pooling: yes") == where + "'global_pooling' of PoolingParameter is 'yes'; expected true or false.");
  CHECK(of_pooling("kernel_size { }") ==
        where + "expected ':' and an integer from 0 to 4294967295 after 'kernel_size' of PoolingParameter but got '{'.");
  CHECK(of_pooling("kernel_size:") == where + "'kernel_size' of PoolingParameter is '}'; expected an integer from 0 to 4294967295.");
  CHECK(of_pooling("stride: 1\nstride: 2") == "net.prototxt:3: 'stride' of PoolingParameter is given twice; it holds one value.");
  CHECK(refused("layer { name: conv }") == "net.prototxt:1: 'name' of LayerParameter is 'conv'; expected a text in quotes.");
  CHECK(refused("layer { relu_param: 3 }") == "net.prototxt:1: 'relu_param' of LayerParameter is '3'; expected a block in braces.");
  CHECK(refused("layer { loss_weight: many }") == "net.prototxt:1: 'loss_weight' of LayerParameter is 'many'; expected a finite number.");
  CHECK(refused("layer { loss_weight: 010 }") == "net.prototxt:1: 'loss_weight' of LayerParameter is '010'; expected a finite number.");
  CHECK(refused("layer { loss_weight: [1 2] }") ==
        "net.prototxt:1: expected ',' or ']' in the list 'loss_weight' of LayerParameter but got '2'.");
  CHECK(refused("layer { include { phase: TRAINING } }") ==
        "net.prototxt:1: 'phase' of NetStateRule is 'TRAINING'; expected TRAIN or TEST.");
  CHECK(refused("layers { type: CONV }")
            .starts_with("net.prototxt:1: 'type' of V1LayerParameter is 'CONV'; expected one of CONVOLUTION, DECONVOLUTION, CONCAT, "));
  CHECK(refused("layers { type: RELUS }").starts_with("net.prototxt:1: 'type' of V1LayerParameter is 'RELUS'; expected one of RELU, "));
  CHECK(refused_solver("base_lr: nan") == "solver.prototxt:1: 'base_lr' of SolverParameter is nan; expected a finite number.");
  CHECK(refused_solver("\nbase_lr: 1e60") == "solver.prototxt:2: 'base_lr' of SolverParameter is inf; expected a finite number.");
  CHECK(refused_solver("max_iter: 3000000000") ==
        "solver.prototxt:1: 'max_iter' of SolverParameter is '3000000000'; expected an integer from -2147483648 to 2147483647.");
}

TEST_CASE("caffe: mistakes of the form are refused with their line", "[caffe]") {
  CHECK(refused("layer {\n  name: \"a\"\n") == "net.prototxt:3: expected '}' but the file ends inside `layer`, which begins in line 1.");
  CHECK(refused("layer { }\n}\n") == "net.prototxt:2: expected the name of a field but got '}', and no block is open.");
  CHECK(refused("layer {\n name: \"a\" >") == "net.prototxt:2: expected '}' at the end of `layer` but got '>'.");
  CHECK(refused("name: \"a\";\n; layer { }") == "net.prototxt:2: expected the name of a field but got ';'.");
  CHECK(refused("layer { \"a\" }") == "net.prototxt:1: expected the name of a field but got '\"a\"'.");
  // a text that does not end
  CHECK(refused("# only\nname: \"a\nlayer { }").starts_with("net.prototxt:2: "));
  CHECK(refused("") == "net.prototxt: expected a prototxt but the file is empty.");
  CHECK(refused(" \n\t\n") == "net.prototxt: expected a prototxt but the file is empty.");
  CHECK(refused(std::string_view("layer\0{ }", 9)) ==
        "net.prototxt: expected a prototxt but byte 5 is no text; the file is another one, or damaged.");
  CHECK(refused("\x0a\x05LeNet\xa2\x06") ==
        "net.prototxt: expected a prototxt but byte 1 is no text; the file is another one, or damaged.");
  CHECK(refused(std::string((16U << 20) + 1, ' ')) == "net.prototxt: expected at most 16777216 bytes but the file has 16777217.");
  std::string blocks;
  for (int i = 0; i < 100'001; ++i) blocks += "layer{}";
  CHECK(refused(blocks) == "net.prototxt: expected at most 100000 blocks but the file has 100001; it is damaged.");
  std::string deep;
  for (int i = 0; i < 50'000; ++i) deep += "layer{";
  CHECK(refused(deep).starts_with("net.prototxt:1: LayerParameter has no field 'layer'; it has "));
}

TEST_CASE("caffe: what Caffe reads and amnet does not is refused", "[caffe]") {
  CHECK(refused("layer {\n  param { lr_mult: 1 }\n  param { name: \"shared\" }\n}") ==
        "net.prototxt:3: expected weights of each layer's own but `param` gives them a name, by which layers share them; remove the name.");
  CHECK(refused("layers { type: RELU\n param: \"shared\" }") ==
        "net.prototxt:2: expected weights of each layer's own but `param` gives them a name, by which layers share them; remove the name.");
  CHECK(refused("layer { name: \"a\"\n blobs { data: 1 } }") ==
        "net.prototxt:2: expected a net without weights but `blobs` holds some; put them into a caffemodel.");
  CHECK(refused("layers {\n layer { name: \"a\" type: \"conv\" num_output: 3 }\n}") ==
        "net.prototxt:2: expected `layer` or `layers { type: … }` but this is a net of Caffe's first format (V0); convert it with "
        "upgrade_net_proto_text.");
  CHECK(refused("layers {\n layer { }\n}").find("(V0)") != std::string::npos);
  CHECK(refused("layers { type: RELU }\nlayer { type: \"ReLU\" }") == "net.prototxt:2: expected `layer` or `layers` but the net has both.");
  CHECK(refused("\nlayers { name: \"a\" }") == "net.prototxt:2: expected a type but layer 'a' has none.");
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
