// Malformed files of Caffe's, each with one mistake, and what the reader says of it.
#include "caffe/caffe_files.h"
#include "caffe/wire_writer.h"
#include "catch.h"

#include <amnet/caffe/caffe_file.h>
#include <amnet/caffe/weights.h>

#include <limits>
#include <map>
#include <string>
#include <vector>

using namespace amnet;
using caffe_files::refusal;
using wire::blob;
using wire::layer;
using wire::Message;
using wire::shape;
using namespace std::string_literals;

namespace {

enum class File : std::uint8_t { net, solver, weights, state };
using enum File;

/// `sentence` follows the name of the file.
struct Malformed {
  std::string mistake;
  File file;
  std::string bytes;
  std::string sentence;
};

std::string sentence_of(const Malformed& row) {
  switch (row.file) {
    case File::net: return refusal("file", row.bytes, read_caffe_net);
    case File::solver: return refusal("file", row.bytes, read_caffe_solver);
    case File::weights: return refusal("file", row.bytes, read_caffemodel);
    case File::state: return refusal("file", row.bytes, read_solverstate);
  }
  return "";
}

const std::vector<float> six = {1, -2, 3.5F, -0.0F, 1e-38F, 6};
constexpr std::int64_t huge = std::numeric_limits<std::int64_t>::max();

/// A caffemodel whose second blob this is.
std::string with_blob(const Message& one) { return wire::net("n", {layer("conv", "Convolution", {blob({1}, {1}), one})}).bytes(); }
Message older_shape(std::int64_t num, std::int64_t channels, std::int64_t height, std::int64_t width) {
  return Message().varint(1, num).varint(2, channels).varint(3, height).varint(4, width);
}
/// A solverstate of six steps.
Message state_of_six() { return Message().varint(1, 6).text(2, "a.caffemodel"); }
std::string without_end(const Message& message, std::size_t bytes) { return message.bytes().substr(0, message.bytes().size() - bytes); }

// At most five of a kind: then the table has many kinds.
std::vector<Malformed> malformed() {
  return {
      {"unknown field", net, "name: \"a\"\nlayer {\n  name: \"c\"\n  convolution_param {\n    num_outputs: 3\n  }\n}",
       ":5: ConvolutionParameter has no field 'num_outputs'; it has num_output, group, bias_term, pad, stride, pad_h, pad_w, axis, "
       "dilation, kernel_size, bias_filler, kernel_h and others."},
      {"unknown field", net, "layer { dropout_param { ratio: 0.5 } }", ":1: DropoutParameter has no field 'ratio'; it has dropout_ratio."},
      {"unknown field", net, "layer {\n relu_param { slope: 0.5 }\n}",
       ":2: ReLUParameter has no field 'slope'; it has negative_slope, engine."},
      {"unknown field", net, "layers {\n  type: CONVOLUTION\n  num_output: 3\n}",
       ":3: V1LayerParameter has no field 'num_output'; it has name, bottom, top, type, blobs, blobs_lr, dropout_param, include, exclude, "
       "loss_weight, layer, data_param and others."},
      {"unknown field", solver, "base_lr: 0.1\nmax_iters: 3",
       ":2: SolverParameter has no field 'max_iters'; it has max_iter, test_iter, momentum, momentum2, base_lr, power, weights, train_net, "
       "test_net, test_interval, gamma, stepsize and others."},

      {"no integer", net, "layer { pooling_param {\n kernel_size: \"3\" } }",
       ":2: 'kernel_size' of PoolingParameter is '\"3\"'; expected an integer from 0 to 4294967295."},
      {"no integer", net, "layer { pooling_param {\n kernel_size: -3 } }",
       ":2: 'kernel_size' of PoolingParameter is '-3'; expected an integer from 0 to 4294967295."},
      {"no integer", net, "layer { pooling_param {\n kernel_size: 1.5 } }",
       ":2: 'kernel_size' of PoolingParameter is '1.5'; expected an integer from 0 to 4294967295."},
      {"no integer", net, "input: \"x\" input_shape { dim: 1\n dim: x }",
       ":2: 'dim' of BlobShape is 'x'; expected an integer from -9223372036854775808 to 9223372036854775807."},
      {"no integer", solver, "iter_size: two",
       ":1: 'iter_size' of SolverParameter is 'two'; expected an integer from -2147483648 to 2147483647."},

      {"integer too large", net, "layer { pooling_param { kernel_size: 4294967296 } }",
       ":1: 'kernel_size' of PoolingParameter is '4294967296'; expected an integer from 0 to 4294967295."},
      {"integer too large", net, "input: \"x\" input_shape { dim: 9223372036854775808 }",
       ":1: 'dim' of BlobShape is '9223372036854775808'; expected an integer from -9223372036854775808 to 9223372036854775807."},
      {"integer too large", solver, "max_iter: 3000000000",
       ":1: 'max_iter' of SolverParameter is '3000000000'; expected an integer from -2147483648 to 2147483647."},
      {"integer too large", solver, "random_seed: -9223372036854775809",
       ":1: 'random_seed' of SolverParameter is '-9223372036854775809'; expected an integer from -9223372036854775808 to "
       "9223372036854775807."},

      {"no finite number", net, "layer { loss_weight: many }", ":1: 'loss_weight' of LayerParameter is 'many'; expected a finite number."},
      {"no finite number", net, "layer { loss_weight: 010 }", ":1: 'loss_weight' of LayerParameter is '010'; expected a finite number."},
      {"no finite number", net, "layer {\n  loss_weight: [1, inf]\n}",
       ":2: 'loss_weight' of LayerParameter is inf; expected a finite number."},
      {"no finite number", solver, "base_lr: nan", ":1: 'base_lr' of SolverParameter is nan; expected a finite number."},
      {"no finite number", solver, "\nbase_lr: 1e60", ":2: 'base_lr' of SolverParameter is inf; expected a finite number."},

      {"no such name of an enumeration", net, "layer { pooling_param { pool: AVERAGE } }",
       ":1: 'pool' of PoolingParameter is 'AVERAGE'; expected one of MAX, AVE, STOCHASTIC."},
      {"no such name of an enumeration", net, "layer {\n  pooling_param { pool: 7 }\n}",
       ":2: 'pool' of PoolingParameter is '7'; expected one of MAX, AVE, STOCHASTIC."},
      {"no such name of an enumeration", net, "layer { include { phase: TRAINING } }",
       ":1: 'phase' of NetStateRule is 'TRAINING'; expected TRAIN or TEST."},
      {"no such name of an enumeration", net, "layers { type: RELUS }",
       ":1: 'type' of V1LayerParameter is 'RELUS'; expected one of RELU, BNLL, LRN, SPLIT, EXP, NONE, DATA, DROPOUT, TANH, ELTWISE, POWER, "
       "ARGMAX and others."},
      {"no such name of an enumeration", solver, "solver_mode: \"CPU\"",
       ":1: 'solver_mode' of SolverParameter is '\"CPU\"'; expected CPU or GPU."},

      {"value of another kind", net, "layer { name: conv }", ":1: 'name' of LayerParameter is 'conv'; expected a text in quotes."},
      {"value of another kind", net, "layer { pooling_param { global_pooling: yes } }",
       ":1: 'global_pooling' of PoolingParameter is 'yes'; expected true or false."},
      {"value of another kind", net, "layer { relu_param: 3 }", ":1: 'relu_param' of LayerParameter is '3'; expected a block in braces."},
      {"value of another kind", net, "layer { pooling_param { kernel_size { } } }",
       ":1: expected ':' and an integer from 0 to 4294967295 after 'kernel_size' of PoolingParameter but got '{'."},
      {"value of another kind", solver, "net: train.prototxt", ":1: 'net' of SolverParameter is 'train'; expected a text in quotes."},

      {"no value", net, "layer {\n  pooling_param {\n    kernel_size:\n  }\n}",
       ":4: 'kernel_size' of PoolingParameter is '}'; expected an integer from 0 to 4294967295."},
      {"no value", net, "layer {\n  bottom \"a\"\n}",
       ":2: expected ':' and a text in quotes after 'bottom' of LayerParameter but got '\"a\"'."},
      {"no value", solver,
       "net: \"a.prototxt\"\nbase_lr:", ":2: 'base_lr' of SolverParameter is the end of the file; expected a finite number."},
      {"no value", solver, "max_iter 10",
       ":1: expected ':' and an integer from -2147483648 to 2147483647 after 'max_iter' of SolverParameter but got '10'."},

      {"given twice", net, "layer { pooling_param { stride: 1\n stride: 2 } }",
       ":2: 'stride' of PoolingParameter is given twice; it holds one value."},
      {"given twice", net, "layer {\n  name: \"a\"\n  relu_param { }\n  relu_param { }\n}",
       ":4: 'relu_param' of LayerParameter is given twice; it holds one value."},
      {"given twice", solver, "base_lr: 1\nbase_lr: 2", ":2: 'base_lr' of SolverParameter is given twice; it holds one value."},

      {"braces", net, "layer {\n  name: \"a\"\n", ":3: expected '}' but the file ends inside `layer`, which begins in line 1."},
      {"braces", net, "layer { }\n}\n", ":2: expected the name of a field but got '}', and no block is open."},
      {"braces", net, "layer {\n name: \"a\" >", ":2: expected '}' at the end of `layer` but got '>'."},
      {"braces", net, "layer {\n  name: \"a\"\n\nlayer {\n  name: \"b\"\n}\n",
       ":4: LayerParameter has no field 'layer', which NetParameter has; expected '}' before it, at the end of `layer`, which begins in "
       "line 1."},
      {"braces", solver, "train_state {\n  phase: TRAIN\n",
       ":3: expected '}' but the file ends inside `train_state`, which begins in line 1."},

      {"list", net, "layer { loss_weight: [1 2] }", ":1: expected ',' or ']' in the list 'loss_weight' of LayerParameter but got '2'."},
      {"list", net, "layer {\n  loss_weight: [1, ]\n}", ":2: 'loss_weight' of LayerParameter is ']'; expected a finite number."},
      {"list", net, "layer {\n  convolution_param {\n    pad: [1, 2\n  }\n}",
       ":4: expected ',' or ']' in the list 'pad' of ConvolutionParameter but got '}'."},
      {"list", net, "layer: [ { name: \"a\" }\n { name: \"b\" } ]",
       ":2: expected ',' or ']' in the list 'layer' of NetParameter but got '{'."},
      {"list", solver, "stepvalue: [100, \"200\"]",
       ":1: 'stepvalue' of SolverParameter is '\"200\"'; expected an integer from -2147483648 to 2147483647."},

      {"no name of a field", net, "name: \"a\";\n; layer { }", ":2: expected the name of a field but got ';'."},
      {"no name of a field", net, "layer { \"a\" }", ":1: expected the name of a field but got '\"a\"'."},
      {"no name of a field", net, "layer { [a.b]: 1 }", ":1: expected the name of a field but got '['."},
      {"no name of a field", solver, "// a comment\nbase_lr: 1",
       ":1: expected the name of a field but got '/'; a comment begins with '#'."},
      {"no name of a field", solver, "base_lr: 0.1\n= 3", ":2: expected the name of a field but got '='."},

      {"quotes", net, "# only\nname: \"a\nlayer { }", ":2: 'name' of NetParameter is '\"a', which has no closing quote in its line."},
      {"quotes", net, "layer { name: \"a' type: \"ReLU\" }",
       ":1: LayerParameter has no field 'ReLU'; it has name, type, top, param, blobs, phase, bottom, include, exclude, relu_param, "
       "loss_weight, loss_param and others."},
      {"quotes", net, "layer {\n  name: \"a\\\"\n}", ":2: 'name' of LayerParameter is '\"a\\\"', which has no closing quote in its line."},
      {"quotes", net, "layer {\n  type: \u201CReLU\u201D\n}",
       ":2: 'type' of LayerParameter is a character outside of ASCII; expected a text in quotes."},
      {"quotes", solver, "net: 'a.prototxt", ":1: 'net' of SolverParameter is ''a.prototxt', which has no closing quote in its line."},

      {"no text", net, "", ": expected a prototxt but the file is empty."},
      {"no text", net, " \n\t\n", ": expected a prototxt but the file is empty."},
      {"no text", net, "layer {\n\0 }"s, ":2: expected a prototxt but byte 8 is no text; the file is another one, or damaged."},
      {"no text", net, "\x0a\x05LeNet\xa2\x06", ":2: expected a prototxt but byte 1 is no text; the file is another one, or damaged."},
      {"no text", solver, "\x08\x06", ":1: expected a prototxt but byte 0 is no text; the file is another one, or damaged."},

      {"older forms", net, "layers { type: RELU }\nlayer { type: \"ReLU\" }", ":2: expected `layer` or `layers` but the net has both."},
      {"older forms", net, "layers {\n layer { name: \"a\" type: \"conv\" num_output: 3 }\n}",
       ":2: expected `layer` or `layers { type: … }` but this is a net of Caffe's first format (V0); convert it with "
       "upgrade_net_proto_text."},
      {"older forms", net, "\nlayers { name: \"a\" }", ":2: expected a type but layer 'a' has none."},
      {"older forms", solver, "type: \"SGD\"\nsolver_type: SGD",
       ":2: expected type or solver_type but the solver has both; remove solver_type."},
      {"older forms", solver, "train_net_param {\n  layers {\n    layer { name: \"a\" }\n  }\n}",
       ":3: expected `layer` or `layers { type: … }` but this is a net of Caffe's first format (V0); convert it with "
       "upgrade_net_proto_text."},

      {"inputs", net, "input: \"x\" input_dim: 1 input_dim: 3", ":1: expected 4 values of input_dim for 1 inputs but there are 2."},
      {"inputs", net, "input: \"x\"\ninput: \"y\"\ninput_shape { dim: 3 }",
       ":1: expected one input_shape for each input but there are 1 for 2."},
      {"inputs", net, "\ninput_dim: 1", ":2: expected the name of an input, `input: \"data\"`, for its shape but the net has none."},
      {"inputs", net, "input: \"x\" input_shape { dim: 3 } input_dim: [1, 1, 1, 1]",
       ":1: expected input_dim or input_shape but the net has both."},

      {"weights in a text", net, "layer { name: \"a\"\n blobs { data: 1 } }",
       ":2: expected a net without weights but `blobs` holds some; put them into a caffemodel."},
      {"weights in a text", net, "layers { type: RELU\n blobs { } }",
       ":2: expected a net without weights but `blobs` holds some; put them into a caffemodel."},
      {"weights in a text", solver, "net_param {\n  layer {\n    blobs { }\n  }\n}",
       ":3: expected a net without weights but `blobs` holds some; put them into a caffemodel."},

      {"shared weights", net, "layer {\n  param { lr_mult: 1 }\n  param { name: \"shared\" }\n}",
       ":3: expected weights of each layer's own but `param` gives them a name, by which layers share them; remove the name."},
      {"shared weights", net, "layers { type: RELU\n param: \"shared\" }",
       ":2: expected weights of each layer's own but `param` gives them a name, by which layers share them; remove the name."},

      {"values and shape", weights, with_blob(blob({2, 4}, six)),
       ": layer 'conv', blob 1: expected 8 values for its shape (2,4) but it has 6; the file is damaged, or was not written by Caffe."},
      {"values and shape", weights, with_blob(older_shape(1, 1, 1, 7).packed(5, six)),
       ": layer 'conv', blob 1: expected 7 values for its shape (1,1,1,7) but it has 6; the file is damaged, or was not written by Caffe."},
      {"values and shape", weights, with_blob(blob({huge, huge, 4}, six)),
       ": layer 'conv', blob 1: expected 18446744073709551615 values for its shape (9223372036854775807,9223372036854775807,4) but it has "
       "6; the file is damaged, or was not written by Caffe."},
      {"values and shape", weights, with_blob(Message().message(7, shape({2}))),
       ": layer 'conv', blob 1: expected values but it has none; the file is damaged, or holds no weights."},
      {"values and shape", state, state_of_six().message(3, blob({5}, six)).bytes(),
       ": history, blob 0: expected 5 values for its shape (5) but it has 6; the file is damaged, or was not written by Caffe."},

      {"extents", weights, with_blob(blob({2, -3}, six)),
       ": layer 'conv', blob 1: expected extents of at least 1 but its shape is (2,-3); the file is damaged, or its net was not set up."},
      {"extents", weights, with_blob(blob({0, 6}, six)),
       ": layer 'conv', blob 1: expected extents of at least 1 but its shape is (0,6); the file is damaged, or its net was not set up."},
      {"extents", weights, with_blob(Message().varint(2, 6).packed(5, six)),
       ": layer 'conv', blob 1: expected extents of at least 1 but its shape is (0,6,0,0); the file is damaged, or its net was not set "
       "up."},
      {"extents", weights, with_blob(blob({1, 1, 1, 2, 3}, six)),
       ": layer 'conv', blob 1: expected at most 4 axes but its shape (1,1,1,2,3) has 5; amnet has no layer for it."},
      {"extents", weights, with_blob(blob(std::vector<std::int64_t>(1000, 1), six)),
       ": layer 'conv', blob 1: expected at most 4 axes but its shape (1,1,1,1,1,…) has 1000; amnet has no layer for it."},

      {"values", weights, with_blob(blob({6}, six).packed(8, std::vector<double>{1})),
       ": layer 'conv', blob 1: expected floats or doubles but it has 6 of the former and 1 of the latter."},
      {"values", weights, with_blob(Message().text(5, "12345")),
       ": layer 'conv', blob 1: expected values of 4 bytes each but 'data' has 5 bytes in all; the file is damaged."},
      {"values", weights, with_blob(Message().varint(5, 1)),
       ": layer 'conv', blob 1: expected a caffemodel but the field 5 ('data') is of another kind; the file is another one, or damaged."},
      {"values", weights, with_blob(Message().unpacked(5, std::vector<double>{1})),
       ": layer 'conv', blob 1: expected a caffemodel but the field 5 ('data') is of another kind; the file is another one, or damaged."},
      {"values", state, state_of_six().message(3, Message().text(8, "1234")).bytes(),
       ": history, blob 0: expected values of 8 bytes each but 'double_data' has 4 bytes in all; the file is damaged."},

      {"field of another kind", weights, Message().varint(1, 6).text(2, "a.caffemodel").bytes(),
       ": expected a caffemodel but the field 1 ('name') is of another kind; the file is another one, or damaged."},
      {"field of another kind", weights, Message().varint(100, 1).bytes(),
       ": expected a caffemodel but the field 100 ('layer') is of another kind; the file is another one, or damaged."},
      {"field of another kind", weights, with_blob(blob({6}, six).varint(7, 6)),
       ": layer 'conv', blob 1: expected a caffemodel but the field 7 ('shape') is of another kind; the file is another one, or damaged."},
      {"field of another kind", weights, with_blob(Message().text(2, "6").packed(5, six)),
       ": layer 'conv', blob 1: expected a caffemodel but the field 2 ('channels') is of another kind; the file is another one, or "
       "damaged."},
      {"field of another kind", state, state_of_six().varint(3, 1).bytes(),
       ": expected a solverstate but the field 3 ('history') is of another kind; the file is another one, or damaged."},

      {"another file", weights, "name: \"a prototxt\"", ": expected a caffemodel but it is a text, as a prototxt is."},
      {"another file", weights, "\x89HDF\r\n\x1a\n\0\0\0\0"s,
       ": expected a caffemodel but it is an HDF5 file; save it again with `snapshot_format: BINARYPROTO`."},
      {"another file", weights, "\x1f\x8b\x08\0\0\0\0\0"s,
       ": expected a field of a protocol buffer at byte 0 but there is none; the file is damaged, or is another one."},
      {"another file", state, wire::net("n", {layer("a", "ReLU", {})}).bytes(),
       ": expected a solverstate but the field 1 ('iter') is of another kind; the file is another one, or damaged."},
      {"another file", state, "<!DOCTYPE html>", ": expected a solverstate but it is a text, as a prototxt is."},

      {"nothing in it", weights, "", ": expected a caffemodel but the file is empty."},
      {"nothing in it", weights, Message().text(1, "n").bytes(),
       ": expected a caffemodel but it has no layer; the file is another one, or damaged."},
      {"nothing in it", state, "", ": expected a solverstate but the file is empty."},
      {"nothing in it", state, Message().message(3, blob({6}, six)).bytes(),
       ": expected a solverstate but it has no step ('iter'); the file is another one, or damaged."},

      {"cut short", weights, "\xA2\x06\x7F\x0A\x01x",
       ": the field at byte 0 says that it has 127 bytes but 3 are left; the file is cut short or damaged."},
      {"cut short", weights, without_end(wire::net("n", {layer("conv", "Convolution", {blob({2, 3}, six)})}), 5),
       ": the field at byte 3 says that it has 53 bytes but 48 are left; the file is cut short or damaged."},
      {"cut short", weights, with_blob(Message().packed(5, six).message(7, Message().text(1, "\xFF"))),
       ": layer 'conv', blob 1: expected extents but its shape is cut short; the file is damaged."},
      {"cut short", weights, with_blob(Message().raw("\x2A\x18").raw("1234")),
       ": layer 'conv', blob 1: the field at byte 40 says that it has 24 bytes but 4 are left; the file is cut short or damaged."},
      {"cut short", state, without_end(state_of_six().message(3, blob({6}, six)), 1),
       ": the field at byte 16 says that it has 31 bytes but 30 are left; the file is cut short or damaged."},

      {"names", weights, wire::net("n", {layer("a", "ReLU", {}), layer("b", "ReLU", {}), layer("a", "TanH", {})}).bytes(),
       ": expected a name for each layer but two are named 'a'; rename one of them."},
      {"names", weights, wire::net("n", {layer("", "ReLU", {}), layer("", "TanH", {})}).bytes(),
       ": expected a name for each layer but two are named ''; rename one of them."},
      {"names", weights, wire::net("n", {layer("a\n\x1b[2J", "ReLU", {Message()})}).bytes(),
       ": layer 'a\\n\\x1b[2J', blob 0: expected values but it has none; the file is damaged, or holds no weights."},

      {"first format", net, "layers {\n layer { }\n}",
       ":1: expected `layer` or `layers { type: … }` but this is a net of Caffe's first format (V0); convert it with "
       "upgrade_net_proto_text."},
      {"first format", weights, Message().message(2, Message().message(1, Message().text(1, "conv1"))).bytes(),
       ": expected `layer` or `layers { type: … }` but this is a net of Caffe's first format (V0); convert it with "
       "upgrade_net_proto_text."},

      {"step", state, Message().varint(1, -1).bytes(), ": expected a step from 0 to 2147483647 but 'iter' is -1; the file is damaged."},
      {"step", state, Message().varint(1, 3'000'000'000).bytes(),
       ": expected a step from 0 to 2147483647 but 'iter' is 3000000000; the file is damaged."},
      {"step", state, state_of_six().varint(4, -2).bytes(),
       ": expected a step from 0 to 2147483647 but 'current_step' is -2; the file is damaged."},
      {"step", state, Message().raw("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02").bytes(),
       ": expected a field of a protocol buffer at byte 0 but there is none; the file is damaged, or is another one."},
      {"step", state, Message().raw("\x08\x80").bytes(),
       ": expected a field of a protocol buffer at byte 0 but there is none; the file is damaged, or is another one."},
  };
}

}  // namespace

TEST_CASE("caffe: every malformed file is refused with its sentence", "[caffe]") {
  constexpr int most = 5;
  std::map<std::string, int> kinds;
  for (const Malformed& row : malformed()) {
    INFO(row.mistake << ": " << row.bytes);
    CHECK(sentence_of(row) == "file" + row.sentence);
    CHECK(++kinds[row.mistake] <= most);
  }
}
