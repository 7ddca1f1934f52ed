#include "catch.h"

#include <amnet/io/safetensors.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

namespace {

using namespace amnet;
using Catch::Contains;

std::string bytes_of(std::span<const NamedTensor> tensors, const Metadata& metadata = {}) {
  std::string bytes;
  write_safetensors([&](std::span<const std::byte> piece) { bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size()); },
                    tensors, metadata);
  return bytes;
}

SafetensorsFile parse(std::string_view bytes) { return parse_safetensors(std::as_bytes(std::span(bytes)), "file.safetensors"); }

/// A file with that header, the header's true length, and that many bytes of data.
std::string file_with(std::string_view header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
  return bytes.append(header).append(data_bytes, '\x01');
}

std::vector<NamedTensor> some_tensors() {
  Tensor pixels({256}, DType::u8);
  for (std::size_t i = 0; i < 256; ++i) pixels.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(i);
  return {{"pixels", pixels},
          {"conv1/weight", Tensor::of<float>({2, 1, 1, 3}, {0.5F, -1.0F, 1e-40F, 3.25F, -0.0F, std::numeric_limits<float>::infinity()})},
          {"scalar", Tensor::of<double>({}, {0.1})},
          {"empty", Tensor({0, 4}, DType::f32)},
          {"größe \"quoted\"\n", Tensor::of<std::int64_t>({2}, {std::numeric_limits<std::int64_t>::min(), 7})}};
}

bool same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && (a.count() == 0 || std::memcmp(a.raw(), b.raw(), a.size_bytes()) == 0);
}

/// "data error", "fine", or the name of an unexpected exception.
std::string outcome(std::string_view bytes) {
  try {
    std::size_t total = 0;
    for (const NamedTensor& named : parse(bytes).tensors) total += named.tensor.size_bytes();
    return total < bytes.size() ? "fine" : "more elements than bytes";
  } catch (const DataError&) {
    return "data error";
  } catch (const std::exception& error) {
    return std::string("another error: ") + error.what();
  }
}

TEST_CASE("safetensors: what is written is read back, every dtype and rank", "[safetensors]") {
  const std::vector<NamedTensor> tensors = some_tensors();
  const Metadata metadata = {{"format", "amnet"}, {"note", "line\nand \"quotes\" and ü"}, {"empty", ""}};
  const SafetensorsFile file = parse(bytes_of(tensors, metadata));
  REQUIRE(file.metadata == metadata);
  REQUIRE(file.tensors.size() == tensors.size());
  for (const NamedTensor& named : tensors) {
    INFO(named.name);
    REQUIRE(file.find(named.name) != nullptr);
    REQUIRE(same(*file.find(named.name), named.tensor));
  }
  REQUIRE(file.find("absent") == nullptr);
}

TEST_CASE("safetensors: the bytes of a small file are those of the format", "[safetensors]") {
  // Built by hand from the format: widest dtype first, blanks up to 8. The reference implementation
  // (Python) writes the same bytes.
  const std::string header =
      R"({"__metadata__":{"k":"v"},"b":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]},"c":{"dtype":"U8","shape":[1,1],"data_offsets":[16,17]}})"
      "    ";
  REQUIRE(header.size() == 0xc0);
  std::string expected("\xc0\0\0\0\0\0\0\0", 8);
  expected += header;
  expected += std::string("\x07\0\0\0\0\0\0\0", 8) + std::string("\0\0\x80\x3f\0\0\0\xc0", 8) + "\xfe";
  const std::vector<NamedTensor> tensors = {{"c", Tensor::of<std::uint8_t>({1, 1}, {0xfe})},
                                            {"a", Tensor::of<float>({2}, {1.0F, -2.0F})},
                                            {"b", Tensor::of<std::int64_t>({}, {7})}};
  REQUIRE(bytes_of(tensors, {{"k", "v"}}) == expected);
}

TEST_CASE("safetensors: the order in which tensors are given does not change the bytes", "[safetensors]") {
  std::vector<NamedTensor> tensors = some_tensors();
  const std::string bytes = bytes_of(tensors);
  std::swap(tensors.front(), tensors.back());
  std::swap(tensors[1], tensors[2]);
  REQUIRE(bytes_of(tensors) == bytes);
}

TEST_CASE("safetensors: the writer refuses what could not be read back", "[safetensors]") {
  const Tensor one = Tensor::zeros({1}, DType::f32);
  REQUIRE_THROWS_AS(bytes_of(std::vector<NamedTensor>{{"a", one}, {"a", one}}), UsageError);
  REQUIRE_THROWS_AS(bytes_of(std::vector<NamedTensor>{{"a", one}, {"b", Tensor()}}), UsageError);
  REQUIRE_THROWS_AS(bytes_of(std::vector<NamedTensor>{{"__metadata__", one}}), UsageError);
  REQUIRE_THROWS_AS(bytes_of(std::vector<NamedTensor>{{"\xff", one}}), UsageError);
  REQUIRE_THROWS_AS(bytes_of({}, {{"key", "\xc3"}}), UsageError);
}

TEST_CASE("safetensors: files without tensors, with blanks or with metadata only are fine", "[safetensors]") {
  REQUIRE(parse(file_with("{}", 0)).tensors.empty());
  REQUIRE(parse(file_with("{ }      ", 0)).tensors.empty());
  REQUIRE(parse(file_with(R"({"__metadata__":{}})", 0)).metadata.empty());
  REQUIRE(parse(file_with(R"({"a":{"shape":[1],"data_offsets":[0,4],"dtype":"F32"}})", 4)).tensors.size() == 1);
}

TEST_CASE("safetensors: malformed files are refused with the file and what is wrong", "[safetensors]") {
  struct Case {
    std::string what;
    std::string bytes;
    std::string message;
  };
  const auto entry = [](std::string_view dtype, std::string_view shape, std::string_view offsets) {
    return fmt::format(R"({{"a":{{"dtype":{},"shape":{},"data_offsets":{}}}}})", dtype, shape, offsets);
  };
  const auto two = [](std::string_view first, std::string_view second) {
    return fmt::format(R"({{"a":{{"dtype":"U8","shape":[4],"data_offsets":{}}},"b":{{"dtype":"U8","shape":[4],"data_offsets":{}}}}})",
                       first, second);
  };
  const std::string good = entry(R"("F32")", "[1]", "[0,4]");
  const auto with_length = [&](std::uint64_t length) {
    std::string bytes = file_with(good, 4);
    std::memcpy(bytes.data(), &length, sizeof length);
    return bytes;
  };
  const std::vector<Case> cases = {
      {"an empty file", "", "0 bytes"},
      {"seven bytes", std::string(7, '\0'), "7 bytes"},
      {"a length of zero", std::string(8, '\0'), "starts with"},
      {"a length beyond the file", with_length(good.size() + 5), "length says"},
      {"a length one short", with_length(good.size() - 1), "not valid JSON"},
      {"a length one long", with_length(good.size() + 1), "not valid JSON"},
      {"a huge length", with_length(std::numeric_limits<std::uint64_t>::max()), "length says"},
      {"a length above the limit", file_with("{" + std::string(safetensors_header_limit, ' ') + "}", 0), "at most"},
      {"text", "epoch,loss,accuracy\n1,2,3\n", "length says"},
      {"a list", file_with("[]", 0), "starts with"},
      {"a leading blank", file_with(" {}", 0), "starts with"},
      {"a byte order mark", file_with("\xef\xbb\xbf{}", 0), "starts with"},
      {"an open object", file_with("{", 0), "not valid JSON"},
      {"two objects", file_with("{}{}", 0), "not valid JSON"},
      {"zero padding", file_with(std::string("{}\0\0", 4), 0), "zero byte"},
      {"something behind a zero byte", file_with(std::string("{}\0{", 4), 0), "zero byte"},
      {"a comment", file_with("{}/**/", 0), "not valid JSON"},
      {"a trailing comma", file_with(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},})", 4), "not valid JSON"},
      {"a name that is not UTF-8", file_with("{\"\xff\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4), "not valid JSON"},
      {"a name with half a surrogate", file_with(R"({"\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4), "not valid JSON"},
      {"a name twice",
       file_with(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2),
       "`a` appears twice"},
      {"a name twice, once escaped",
       file_with(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\u0061":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2),
       "`a` appears twice"},
      {"metadata twice", file_with(R"({"__metadata__":{},"__metadata__":{}})", 0), "appears twice"},
      {"a metadata key twice", file_with(R"({"__metadata__":{"k":"1","k":"2"}})", 0), "`k` of __metadata__ appears twice"},
      {"metadata that is a string", file_with(R"({"__metadata__":"x"})", 0), "a string does not belong"},
      {"a metadata number", file_with(R"({"__metadata__":{"k":1}})", 0), "a number does not belong"},
      {"nested metadata", file_with(R"({"__metadata__":{"k":{}}})", 0), "an object does not belong"},
      {"a metadata list", file_with(R"({"__metadata__":{"k":[]}})", 0), "an array does not belong"},
      {"a tensor that is null", file_with(R"({"a":null})", 0), "null does not belong at `a`"},
      {"a tensor that is a list", file_with(R"({"a":[]})", 0), "an array does not belong at `a`"},
      {"an unknown field", file_with(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}})", 0), "the field `x`"},
      {"a field twice", file_with(R"({"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0), "`dtype` appears twice"},
      {"shape twice", file_with(R"({"a":{"dtype":"U8","shape":[0],"shape":[0],"data_offsets":[0,0]}})", 0), "`shape` appears twice"},
      {"no dtype", file_with(R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4), "dtype is missing"},
      {"no shape", file_with(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4), "shape is missing"},
      {"no offsets", file_with(R"({"a":{"dtype":"F32","shape":[1]}})", 4), "data_offsets is missing"},
      {"no fields", file_with(R"({"a":{}})", 0), "is missing"},
      {"an unknown dtype", file_with(entry(R"("F99")", "[1]", "[0,4]"), 4), "dtype `F99`"},
      {"too few bytes of a dtype amnet lacks", file_with(entry(R"("BF16")", "[3]", "[0,4]"), 4), "expected 6 bytes"},
      {"half a byte", file_with(entry(R"("F4")", "[3]", "[0,2]"), 2), "expected 1 bytes"},
      {"a dtype in lower case", file_with(entry(R"("f32")", "[1]", "[0,4]"), 4), "dtype `f32`"},
      {"a dtype that is a number", file_with(entry("32", "[1]", "[0,4]"), 4), "a number does not belong"},
      {"a shape that is a number", file_with(entry(R"("F32")", "1", "[0,4]"), 4), "a number does not belong"},
      {"a negative extent", file_with(entry(R"("F32")", "[-1]", "[0,4]"), 4), "a negative number"},
      {"a fractional extent", file_with(entry(R"("F32")", "[1.0]", "[0,4]"), 4), "not a whole number"},
      {"an extent with an exponent", file_with(entry(R"("F32")", "[1e0]", "[0,4]"), 4), "not a whole number"},
      {"an extent above 64 bits", file_with(entry(R"("F32")", "[18446744073709551617]", "[0,4]"), 4), "not a whole number"},
      {"an extent of 2^63", file_with(entry(R"("F32")", "[9223372036854775808]", "[0,4]"), 4), "overflows"},
      {"extents whose product wraps to one", file_with(entry(R"("F32")", "[4294967296,4294967296]", "[0,4]"), 4), "overflows"},
      {"bytes that wrap", file_with(entry(R"("F64")", "[2305843009213693952]", "[0,0]"), 0), "overflows"},
      {"an overflow that a zero hides", file_with(entry(R"("F32")", "[4294967296,4294967296,0]", "[0,0]"), 0), "overflows"},
      {"too few bytes in five dimensions", file_with(entry(R"("F32")", "[1,1,1,1,2]", "[0,4]"), 4), "expected 8 bytes"},
      {"a hole before a dtype amnet lacks", file_with(entry(R"("F16")", "[2]", "[4,8]"), 8), "begins at byte 4"},
      {"a nested shape", file_with(entry(R"("F32")", "[[1]]", "[0,4]"), 4), "an array does not belong"},
      {"deep nesting", file_with("{\"a\":" + std::string(100000, '['), 0), "an array does not belong"},
      {"a string in the shape", file_with(entry(R"("F32")", R"(["1"])", "[0,4]"), 4), "a string does not belong"},
      {"one offset", file_with(entry(R"("F32")", "[1]", "[0]"), 4), "data_offsets [begin, end]"},
      {"three offsets", file_with(entry(R"("F32")", "[1]", "[0,4,4]"), 4), "data_offsets [begin, end]"},
      {"offsets the wrong way round", file_with(entry(R"("F32")", "[1]", "[4,0]"), 4), "data_offsets are [4, 0]"},
      {"fewer bytes than elements", file_with(entry(R"("F32")", "[2]", "[0,4]"), 4), "expected 8 bytes"},
      {"more bytes than elements", file_with(entry(R"("F32")", "[1]", "[0,8]"), 8), "expected 4 bytes"},
      {"a scalar without bytes", file_with(entry(R"("F32")", "[]", "[0,0]"), 0), "expected 4 bytes"},
      {"a hole at the start", file_with(entry(R"("F32")", "[1]", "[4,8]"), 8), "begins at byte 4"},
      {"a hole between", file_with(two("[0,4]", "[5,9]"), 9), "begins at byte 5"},
      {"an overlap", file_with(two("[0,4]", "[3,7]"), 7), "begins at byte 3"},
      {"two tensors on the same bytes", file_with(two("[0,4]", "[0,4]"), 4), "begins at byte 0"},
      {"offsets near 2^64", file_with(two("[0,4]", "[18446744073709551612,0]"), 4), "data_offsets are"},
      {"a byte too few", file_with(good, 3), "expected 4 bytes of data"},
      {"a byte too many", file_with(good, 5), "expected 4 bytes of data"},
      {"data without tensors", file_with("{}", 1), "expected 0 bytes of data"},
  };
  REQUIRE(cases.size() >= 60);
  REQUIRE(outcome(file_with(good, 4)) == "fine");
  for (const Case& bad : cases) {
    INFO(bad.what);
    REQUIRE_THROWS_AS(parse(bad.bytes), DataError);
    REQUIRE_THROWS_WITH(parse(bad.bytes), Contains(bad.message) && Contains("file.safetensors"));
  }
}

TEST_CASE("safetensors: a tensor that amnet cannot hold is passed over, and refused when it is asked for", "[safetensors]") {
  const std::string header = R"({"half":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},)"
                             R"("a":{"dtype":"U8","shape":[2],"data_offsets":[6,8]},)"
                             R"("five":{"dtype":"U8","shape":[1,1,1,1,2],"data_offsets":[8,10]},)"
                             R"("count":{"dtype":"I32","shape":[],"data_offsets":[10,14]},)"
                             R"("none":{"dtype":"BOOL","shape":[0],"data_offsets":[14,14]},)"
                             R"("four":{"dtype":"F4","shape":[4],"data_offsets":[14,16]},)"
                             R"("b":{"dtype":"F32","shape":[1],"data_offsets":[16,20]}})";
  std::string bytes = file_with(header, 0);
  bytes += std::string("\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\xd\xe\xf\x10", 16) + std::string("\0\0\x80\x3f", 4);
  const SafetensorsFile file = parse(bytes);
  REQUIRE(file.tensors.size() == 2);
  REQUIRE(same(*file.find("a"), Tensor::of<std::uint8_t>({2}, {7, 8})));
  REQUIRE(same(*file.find("b"), Tensor::of<float>({1}, {1.0F})));
  REQUIRE(file.find("absent") == nullptr);
  REQUIRE(file.unread.size() == 5);
  REQUIRE_THROWS_AS(file.find("half"), DataError);
  REQUIRE_THROWS_WITH(file.find("half"), Contains("file.safetensors: tensor `half` is of dtype F16") && Contains("convert it first"));
  REQUIRE_THROWS_WITH(file.find("five"), Contains("5 dimensions"));
  REQUIRE_THROWS_WITH(file.find("count"), Contains("I32"));
}

TEST_CASE("safetensors: a reader knows every tensor, and reads those that are wanted alone", "[safetensors]") {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("amnet-reader-{}.safetensors", getpid());
  const std::vector<NamedTensor> tensors = {{"a", Tensor::of<float>({2}, {1, 2})},
                                            {"b", Tensor::of<float>({1, 3}, {3, 4, 5})},
                                            {"c", Tensor::of<std::uint8_t>({4}, {6, 7, 8, 9})}};
  write_safetensors(path, tensors, {{"k", "v"}});
  const auto is_a = [](std::string_view name) { return name == "a"; };
  const auto is_b = [](std::string_view name) { return name == "b"; };
  const SafetensorsReader reader(path);
  CHECK(reader.metadata() == Metadata{{"k", "v"}});
  const std::vector<StoredTensor> stored = reader.stored();
  REQUIRE(stored.size() == 3);
  CHECK(
      (stored[1].name == "b" && stored[1].dtype == "F32" && stored[1].shape == std::vector<std::uint64_t>{1, 3} && stored[1].bytes == 12));
  CHECK(stored[2].dtype == "U8");
  const SafetensorsFile one = reader.read(is_b);
  REQUIRE(one.tensors.size() == 1);
  CHECK(same(*one.find("b"), tensors[1].tensor));
  CHECK(one.metadata == reader.metadata());
  CHECK(one.find("a") == nullptr);
  CHECK(one.unwanted == std::vector<std::string>{"a", "c"});
  // No byte of the other tensors is read, since they no longer exist.
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 4 - 12);
  CHECK(same(*reader.read(is_a).find("a"), tensors[0].tensor));
  CHECK_THROWS_AS(reader.read(is_b), FileError);
  std::filesystem::remove(path);

  const SafetensorsFile whole = parse(bytes_of(tensors));
  CHECK(whole.unwanted.empty());
}

TEST_CASE("safetensors: a hostile name does not reach the terminal or fill it", "[safetensors]") {
  const std::string header = R"({"\u001b[31m)" + std::string(100000, 'x') + R"(":1})";
  try {
    parse(file_with(header, 0));
    FAIL("accepted");
  } catch (const DataError& error) {
    const std::string message = error.what();
    REQUIRE(message.size() < 300);
    REQUIRE(message.find('\x1b') == std::string::npos);
  }
}

TEST_CASE("safetensors: every cut is refused", "[safetensors]") {
  const std::string bytes = bytes_of(some_tensors(), {{"k", "v"}});
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    INFO(length);
    REQUIRE(outcome(std::string_view(bytes).substr(0, length)) == "data error");
  }
  REQUIRE(outcome(bytes) == "fine");
}

TEST_CASE("safetensors: no change of one header byte crashes the reader or makes it believe a size", "[safetensors]") {
  const std::vector<NamedTensor> tensors = {{"ab", Tensor::of<float>({2}, {1, 2})}, {"c", Tensor::of<std::uint8_t>({1}, {3})}};
  const std::string bytes = bytes_of(tensors, {{"k", "v"}});
  const std::size_t header_end = bytes.size() - 9;
  int refused = 0;
  // a changed letter in a name or another blank character cannot be detected here: a checkpoint's
  // checksum detects it
  int accepted = 0;
  for (std::size_t at = 0; at < header_end; ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = bytes;
      if (changed[at] == static_cast<char>(value)) continue;
      changed[at] = static_cast<char>(value);
      const std::string result = outcome(changed);
      if (result != "fine" && result != "data error") FAIL(at << " = " << value << ": " << result);
      ++(result == "fine" ? accepted : refused);
    }
  }
  REQUIRE(refused > 20 * accepted);
}

TEST_CASE("safetensors: a missing file, a directory and a device are file errors", "[safetensors]") {
  const auto directory = std::filesystem::temp_directory_path();
  REQUIRE_THROWS_AS(read_safetensors(directory / "amnet-no-such-file.safetensors"), FileError);
  REQUIRE_THROWS_WITH(read_safetensors(directory / "amnet-no-such-file.safetensors"), Contains("amnet-no-such-file.safetensors"));
  REQUIRE_THROWS_AS(read_safetensors(directory), FileError);
  REQUIRE_THROWS_AS(read_safetensors("/dev/zero"), FileError);
}

TEST_CASE("safetensors: an independent reader sees the same bytes", "[safetensors]") {
  if (std::system("python3 -c pass > /dev/null 2>&1") != 0) {
    std::printf("SKIPPED safetensors: an independent reader sees the same bytes: python3 is absent\n");
    return;
  }
  const auto path = std::filesystem::temp_directory_path() / fmt::format("amnet-independent-{}.safetensors", std::rand());
  std::vector<NamedTensor> tensors = some_tensors();
  write_safetensors(path, tensors, {{"framework", "amnet"}});
  const std::string command = fmt::format("python3 '{}/tests/io/read_safetensors.py' '{}' 2>&1", AMNET_SOURCE_DIR, path.string());
  std::string output;
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 256> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) output += buffer.data();
  const int status = ::pclose(pipe);
  std::filesystem::remove(path);
  INFO(output);
  REQUIRE(status == 0);
  // SHA-256 of the elements, computed without amnet: struct.pack and hashlib in Python.
  REQUIRE(output == R"("conv1/weight" F32 [2, 1, 1, 3] 740085826f9e0ec552874ebd76e2e36ed4138edbe62757731a5bc769a262c291)"
                    "\n"
                    R"("empty" F32 [0, 4] e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855)"
                    "\n"
                    R"("gr\u00f6\u00dfe \"quoted\"\n" I64 [2] 02e0d4c0bc898787c9d46581ffd5da16123a76b71d74f8c257889b0e475b4fba)"
                    "\n"
                    R"("pixels" U8 [256] 40aff2e9d2d8922e47afd4648e6967497158785fbd1da870e7110266bf944880)"
                    "\n"
                    R"("scalar" F64 [] 45d2b662d9d490ae9b932759c910b26b9a874065de620f4ac0a3a23a65e40b8c)"
                    "\n"
                    R"(metadata {"framework": "amnet"})"
                    "\n");
}

}  // namespace
