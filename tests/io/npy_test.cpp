#include "catch.h"

#include <amnet/io/npy.h>

#include <amnet/io/durable_file.h>

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace amnet;
using Catch::Contains;

/// A path that is free, removed at the end of the test.
class ScratchFile {
 public:
  ScratchFile() : path_(std::filesystem::temp_directory_path() / fmt::format("amnet-npy-test-{}.npy", ::getpid())) {}
  ~ScratchFile() { std::filesystem::remove(path_); }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

std::string npy(std::string_view header, std::size_t data_bytes) {
  const auto length = static_cast<std::uint16_t>(header.size());
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes.append(reinterpret_cast<const char*>(&length), sizeof length);
  return bytes.append(header).append(data_bytes, '\x02');
}

TEST_CASE("npy: the bytes of an embedding file are NumPy's", "[npy]") {
  const ScratchFile file;
  write_npy(file.path(), Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6}));
  // numpy.save of the same array: the header ends with a line feed and the elements start at a
  // multiple of 64.
  std::string expected("\x93NUMPY\x01\x00\x76\x00", 10);
  expected += "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  expected.resize(127, ' ');
  expected += "\n";
  for (const float value : {1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F}) expected.append(reinterpret_cast<const char*>(&value), sizeof value);
  REQUIRE(read_file(file.path()) == expected);
}

TEST_CASE("npy: what is written is read back, every dtype and rank", "[npy]") {
  const ScratchFile file;
  const std::vector<Tensor> tensors = {
      Tensor::of<float>({2, 2}, {0.5F, -0.0F, std::numeric_limits<float>::infinity(), 1e-40F}),
      Tensor::of<double>({}, {0.1}),
      Tensor::of<std::int64_t>({3}, {1, -2, std::numeric_limits<std::int64_t>::min()}),
      Tensor::of<std::uint8_t>({1, 2, 1, 2}, {0, 255, 7, 9}),
      Tensor({0, 512}, DType::f32),
  };
  for (const Tensor& tensor : tensors) {
    write_npy(file.path(), tensor);
    REQUIRE(std::filesystem::file_size(file.path()) % 64 == tensor.size_bytes() % 64);
    const Tensor again = read_npy(file.path());
    REQUIRE(again.shape() == tensor.shape());
    REQUIRE(again.dtype() == tensor.dtype());
    REQUIRE((tensor.count() == 0 || std::memcmp(again.raw(), tensor.raw(), tensor.size_bytes()) == 0));
  }
}

TEST_CASE("npy: malformed files are refused by name", "[npy]") {
  const ScratchFile file;
  const auto refused = [&](std::string_view bytes, std::string_view message) {
    INFO(bytes);
    write_durably(file.path(), bytes);
    REQUIRE_THROWS_AS(read_npy(file.path()), DataError);
    REQUIRE_THROWS_WITH(read_npy(file.path()), Contains(std::string(message)) && Contains(file.path().string()));
  };
  const std::string good = npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", 8);
  write_durably(file.path(), good);
  REQUIRE(read_npy(file.path()).shape() == Shape{2});
  for (std::size_t length = 0; length < good.size(); ++length) refused(std::string_view(good).substr(0, length), ".npy");

  refused("\x93NUMPY\x02" + good.substr(7), "version 1.0");
  refused(good + "x", "expected 8 bytes");
  refused(npy("", 0), "expected `{`");
  refused(npy("{}", 0), "expected descr");
  refused(npy("{'descr': '<f4', 'fortran_order': False}", 4), "expected descr");
  refused(npy("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}", 4), "once each");
  refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': 1}", 4), "once each");
  refused(npy("{'descr': '>f4', 'fortran_order': False, 'shape': ()}", 4), "dtypes");
  refused(npy("{'descr': '|O', 'fortran_order': False, 'shape': ()}", 4), "dtypes");
  refused(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", 4), "expected `'`");
  refused(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (2,)}", 8), "Fortran");
  refused(npy("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", 8), "expected `False`");
  refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2)}", 8), "tuple");
  refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", 8), "extents");
  refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", 8), "extents");
  refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", 0), "overflows");
  refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1)}", 4), "four dimensions");
  refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 4), "expected 8 bytes");
  refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} {", 8), "something follows");
  refused(npy("{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}", 8), "expected `,`");
  refused(npy("{'descr", 0), "not closed");
}

TEST_CASE("npy: a full disk, a missing directory and an undefined tensor are said so", "[npy]") {
  const Tensor one = Tensor::zeros({1}, DType::f32);
  REQUIRE_THROWS_AS(write_npy("/no/such/directory/x.npy", one), FileError);
  REQUIRE_THROWS_AS(write_npy(std::filesystem::temp_directory_path(), one), FileError);
  REQUIRE_THROWS_AS(write_npy("x.npy", Tensor()), UsageError);
  REQUIRE_THROWS_AS(read_npy("/no/such/file.npy"), FileError);
  if (std::filesystem::exists("/dev/full")) {
    REQUIRE_THROWS_WITH(write_npy("/dev/full", one), Contains("/dev/full: No space left"));
    REQUIRE(std::filesystem::is_character_file("/dev/full"));  // not a regular file
  }
}

}  // namespace
