// Which files are Caffe's, by their content.
#include "caffe/caffe_files.h"
#include "caffe/wire_writer.h"
#include "catch.h"

#include <amnet/caffe/caffe_file.h>
#include <amnet/io/safetensors.h>

using namespace amnet;
using caffe_files::Written;

namespace {

std::optional<CaffeFile> kind(std::string_view bytes) { return caffe_file_kind(Written("any.name", bytes).path()); }

const wire::Message small = wire::net("n", {wire::layer("b", "Convolution", {wire::blob({2}, {1, 2})})});

}  // namespace

TEST_CASE("caffe: the kind of a text is that of its first field that only one kind has", "[caffe]") {
  CHECK(kind("name: \"a\"\nlayer { }") == CaffeFile::net_prototxt);
  CHECK(kind("# net: no\nlayers { type: RELU }") == CaffeFile::net_prototxt);
  CHECK(kind("input: \"x\"") == CaffeFile::net_prototxt);
  CHECK(kind("debug_info: true net: \"a\"") == CaffeFile::solver_prototxt);
  CHECK(kind("\xEF\xBB\xBF"
             "base_lr: 0.1") == CaffeFile::solver_prototxt);
  // and its reader says what is wrong
  CHECK(kind("nam: \"}\\\"\" layer { mistake: 1 ").has_value());
  for (const char* text : {"", " ", "id_0/1.jpg 0\nid_1/1.jpg 1\n", "{\"layer\": {}}", "a: 1\nb: 2\n", "name: ci\non: push\n", "layer",
                           "int main() { }", "<html>layer: </html>", "name,layer\n1,2\n"}) {
    INFO(text);
    CHECK(!kind(text).has_value());
  }
}

TEST_CASE("caffe: the kind of a binary file", "[caffe]") {
  CHECK(kind(small.bytes()) == CaffeFile::caffemodel);
  CHECK(kind(wire::Message().message(2, wire::Message().text(4, "a")).bytes()) == CaffeFile::caffemodel);
  CHECK(kind(wire::Message().varint(1, 6).text(2, "a.caffemodel").message(3, wire::blob({1}, {1})).varint(4, 0).bytes()) ==
        CaffeFile::solverstate);
  CHECK(kind(wire::Message().varint(1, 1).varint(2, 1).varint(3, 1).varint(4, 1).packed<float>(5, {1}).bytes()) == CaffeFile::mean);
  CHECK(kind(wire::blob({1, 1, 1}, {1}).bytes()) == CaffeFile::mean);
  // its reader says so
  CHECK(kind(std::string_view(small.bytes()).substr(0, small.bytes().size() - 3)) == CaffeFile::caffemodel);
  for (const std::string_view bytes :
       {std::string_view("\x89HDF\r\n\x1a\n\0\0\0\0", 12), std::string_view("\xFF\xD8\xFF\xE0\0\x10JFIF", 10),
        std::string_view("\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16), std::string_view("PK\x03\x04", 4), std::string_view("\0\0\0\0", 4),
        std::string_view("\x0a\x01n", 3)}) {
    CHECK(!kind(bytes).has_value());
  }
  const Written other("model.caffemodel", "");
  write_safetensors(other.path(), std::vector<NamedTensor>{{"w", Tensor::zeros({3}, DType::f32)}});
  CHECK(!caffe_file_kind(other.path()).has_value());
  CHECK_THROWS_AS(caffe_file_kind("absent.prototxt"), FileError);
}

TEST_CASE("caffe: the kinds have names", "[caffe]") {
  CHECK(name_of(CaffeFile::net_prototxt) == "net prototxt");
  CHECK(find_named<CaffeFile>("solverstate") == CaffeFile::solverstate);
}
