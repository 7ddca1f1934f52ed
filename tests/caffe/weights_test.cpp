// Caffe's binary files, written by hand: every form of a blob, and bounds on damage. For files with
// one mistake see malformed_test.cpp.
#include "caffe/caffe_files.h"
#include "caffe/wire_writer.h"
#include "catch.h"

#include <amnet/caffe/weights.h>

#include <utility>

using namespace amnet;
using caffe_files::refusal;
using caffe_files::values_of;
using caffe_files::Written;
using wire::blob;
using wire::layer;
using wire::Message;
using wire::net;
using wire::shape;

namespace {

CaffeWeights weights_of(const Message& message) { return read_caffemodel(Written("x.caffemodel", message.bytes()).path()); }
CaffeWeights weights_of_blob(const Message& one) { return weights_of(net("n", {layer("conv", "Convolution", {one})})); }
Tensor tensor_of(const Message& one) { return weights_of_blob(one).layers.at(0).blobs.at(0); }

std::string refused(const Message& message) { return refusal("x.caffemodel", message.bytes(), read_caffemodel); }
std::string refused_state(std::string_view bytes) { return refusal("x.solverstate", bytes, read_solverstate); }
std::string refused_mean(const Message& message) { return refusal("x.binaryproto", message.bytes(), read_caffe_mean); }

Message older_shape(std::int64_t num, std::int64_t channels, std::int64_t height, std::int64_t width) {
  return Message().varint(1, num).varint(2, channels).varint(3, height).varint(4, width);
}

const std::vector<float> six = {1, -2, 3.5F, -0.0F, 1e-38F, 6};

}  // namespace

TEST_CASE("caffe: weights have names, types and shapes as in the file", "[caffe]") {
  const CaffeWeights weights =
      weights_of(net("LeNet", {layer("data", "Input", {}), layer("conv", "Convolution", {blob({3, 2}, six), blob({1}, {7})})}));
  CHECK(weights.net == "LeNet");
  REQUIRE(weights.layers.size() == 2);
  CHECK(weights.layers[0].name == "data");
  CHECK(weights.layers[0].type == "Input");
  CHECK(weights.layers[0].blobs.empty());
  REQUIRE(weights.layers[1].blobs.size() == 2);
  const Tensor& first = weights.layers[1].blobs[0];
  CHECK(first.shape() == Shape{3, 2});
  CHECK(first.dtype() == DType::f32);
  CHECK(values_of<float>(first) == six);
  CHECK(values_of<float>(weights.layers[1].blobs[1]) == std::vector<float>{7});
}

TEST_CASE("caffe: values may be packed, one by one, or in pieces", "[caffe]") {
  CHECK(values_of<float>(tensor_of(Message().unpacked(5, six).message(7, shape({6})))) == six);
  const std::vector<float> head = {1, -2}, middle = {3.5F}, tail = {-0.0F, 1e-38F, 6};
  const Message pieces = Message().packed(5, head).message(7, shape({2, 3})).unpacked(5, middle).packed(5, tail);
  CHECK(values_of<float>(tensor_of(pieces)) == six);
}

TEST_CASE("caffe: doubles stay doubles", "[caffe]") {
  const std::vector<double> values = {0.1, 1e300};
  for (const Message& message :
       {Message().packed(8, values).message(7, shape({2})), Message().unpacked(8, values).message(7, shape({2}))}) {
    const Tensor tensor = tensor_of(message);
    CHECK(tensor.dtype() == DType::f64);
    CHECK(values_of<double>(tensor) == values);
  }
}

TEST_CASE("caffe: shapes of all ages", "[caffe]") {
  CHECK(tensor_of(older_shape(1, 1, 3, 2).packed(5, six)).shape() == Shape{1, 1, 3, 2});
  CHECK(tensor_of(Message().packed(5, six)).shape() == Shape{6});
  CHECK(tensor_of(Message().message(7, shape({})).packed(5, six)).shape() == Shape{6});
  // the extents one by one
  CHECK(tensor_of(Message().message(7, Message().varint(1, 2).varint(1, 3)).packed(5, six)).shape() == Shape{2, 3});
  CHECK(tensor_of(older_shape(9, 9, 9, 9).message(7, shape({2, 3})).packed(5, six)).shape() == Shape{2, 3});
}

TEST_CASE("caffe: gradients and what amnet does not know are passed over", "[caffe]") {
  const std::vector<float> gradients = {9, 9, 9, 9, 9, 9};
  Message with_more = blob({6}, six);
  with_more.packed(6, gradients).text(200, "of another program").varint(201, 1).unpacked(202, gradients);
  CHECK(values_of<float>(tensor_of(with_more)) == six);
  Message of_net = net("n", {layer("a", "ReLU", {})});
  of_net.varint(5, 1).text(3, "data").text(90, "of another program");
  CHECK(weights_of(of_net).layers.size() == 1);
}

TEST_CASE("caffe: a V1 file has its layers' types as newer ones do", "[caffe]") {
  const auto v1 = [](std::string_view name, int type) {
    return Message().text(2, "in").text(4, name).varint(5, type).message(6, blob({6}, six));
  };
  const Message file = Message().text(1, "old").message(2, v1("c", 4)).message(2, v1("l", 21)).message(2, v1("own", 99));
  const CaffeWeights weights = weights_of(file);
  REQUIRE(weights.layers.size() == 3);
  CHECK(weights.layers[0].name == "c");
  CHECK(weights.layers[0].type == "Convolution");
  CHECK(weights.layers[1].type == "SoftmaxWithLoss");
  CHECK(weights.layers[2].type == "type 99");
  CHECK(values_of<float>(weights.layers[0].blobs.at(0)) == six);
}

TEST_CASE("caffe: a solverstate", "[caffe]") {
  const Message message =
      Message().varint(1, 6).text(2, "a.caffemodel").message(3, blob({2, 3}, six)).message(3, blob({1}, {7})).varint(4, 2);
  const CaffeSolverState state = read_solverstate(Written("x.solverstate", message.bytes()).path());
  CHECK(state.step == 6);
  CHECK(state.learned_net == "a.caffemodel");
  CHECK(state.current_step == 2);
  REQUIRE(state.history.size() == 2);
  CHECK(state.history[0].shape() == Shape{2, 3});
  CHECK(values_of<float>(state.history[0]) == six);
}

TEST_CASE("caffe: a mean image", "[caffe]") {
  const auto read = [](const Message& message) { return read_caffe_mean(Written("x.binaryproto", message.bytes()).path()); };
  CHECK(read(older_shape(1, 3, 2, 1).packed(5, six)).shape() == Shape{3, 2, 1});
  CHECK(read(blob({1, 3, 1, 2}, six)).shape() == Shape{3, 1, 2});
  CHECK(read(blob({3, 1, 2}, six)).shape() == Shape{3, 1, 2});
  CHECK(values_of<float>(read(blob({3, 1, 2}, six))) == six);
  CHECK(refused_mean(blob({2, 3, 1, 1}, six)) == "x.binaryproto: expected a mean image (1,C,H,W) but its shape is (2,3,1,1).");
  CHECK(refused_mean(blob({6}, six)) == "x.binaryproto: expected a mean image (1,C,H,W) but its shape is (6).");
}

TEST_CASE("caffe: an absent caffemodel is an error of the file system, and a long name is cut", "[caffe]") {
  CHECK_THROWS_AS(read_caffemodel("absent.caffemodel"), FileError);
  const std::string long_name(1000, 'n');
  CHECK(refused(net("", {layer(long_name, "", {}), layer(long_name, "", {})})).size() < 300);
}

TEST_CASE("caffe: a damaged file cannot have a million layers or blobs", "[caffe]") {
  std::vector<Message> layers;
  for (int i = 0; i < 100'001; ++i) layers.push_back(layer(std::to_string(i), "", {}));
  CHECK(refused(net("n", layers)) == "x.caffemodel: expected at most 100000 layers but there are more; the file is damaged.");
  Message many = layer("a", "", {});
  for (int i = 0; i < 100'001; ++i) many.message(7, Message());
  CHECK(refused(net("n", {many})) == "x.caffemodel: expected at most 100000 blobs but there are more; the file is damaged.");
}

TEST_CASE("caffe: a file cut short at any byte is refused, or is a net of fewer layers", "[caffe]") {
  const Message message = net(
      "n",
      {layer("a", "ReLU", {}), layer("b", "Convolution", {blob({2, 3}, six), older_shape(1, 1, 1, 1).packed(5, std::vector<float>{1})})});
  const std::string& whole = message.bytes();
  // the ends of the outer fields: a message may end there
  const std::size_t after_a = Message().text(1, "n").message(100, layer("a", "ReLU", {})).bytes().size();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(size);
    const std::string sentence = refusal("x.caffemodel", std::string_view(whole).substr(0, size), read_caffemodel);
    CHECK(sentence.empty() == (size == after_a));
    CHECK((sentence.empty() || sentence.back() == '.'));
  }
}

TEST_CASE("caffe: a flipped bit is refused or read, and never more than that", "[caffe]") {
  const Message message = net("n", {layer("b", "Convolution", {blob({2, 3}, six)})});
  const Message state = Message().varint(1, 6).text(2, "a").message(3, blob({2, 3}, six));
  int read = 0, refusals = 0;
  const auto count = [&](const std::string& sentence) { sentence.empty() ? ++read : ++refusals; };
  for (std::size_t bit = 0; bit < 8 * message.bytes().size(); ++bit) {
    std::string bytes = message.bytes();
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    count(refusal("x.caffemodel", bytes, read_caffemodel));
  }
  for (std::size_t bit = 0; bit < 8 * state.bytes().size(); ++bit) {
    std::string bytes = state.bytes();
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    count(refusal("x.solverstate", bytes, read_solverstate));
  }
  CHECK(read > 0);      // of values and names
  CHECK(refusals > 0);  // of all that describes them
}

TEST_CASE("caffe: a varint of more than 64 bits is damage", "[caffe]") {
  const auto step = [](std::string_view varint) { return Message().raw("\x08").raw(varint); };
  CHECK(refused_state(step("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01").bytes()) ==
        "x.solverstate: expected a step from 0 to 2147483647 but 'iter' is -1; the file is damaged.");
  CHECK(refused_state(step("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02").bytes()) ==
        "x.solverstate: expected a field of a protocol buffer at byte 0 but there is none; the file is damaged, or is another one.");
  CHECK(refused_state(step("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01").bytes()) ==
        "x.solverstate: expected a field of a protocol buffer at byte 0 but there is none; the file is damaged, or is another one.");
}
