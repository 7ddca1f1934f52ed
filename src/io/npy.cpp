#include "posix_file.h"

#include <amnet/io/durable_file.h>
#include <amnet/io/npy.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace amnet {
namespace {

static_assert(std::endian::native == std::endian::little, "the files are little-endian and are written from memory as it is");

// version 1.0: a header length of 16 bits follows
constexpr std::string_view magic("\x93NUMPY\x01\x00", 8);
constexpr std::size_t prefix_bytes = magic.size() + 2;
constexpr std::size_t header_alignment = 64;

struct Description {
  DType dtype;
  std::string_view text;
};
constexpr std::array descriptions = {Description{DType::f32, "<f4"}, Description{DType::f64, "<f8"}, Description{DType::i64, "<i8"},
                                     Description{DType::u8, "|u1"}};

std::string header_of(const Tensor& tensor) {
  std::string extents;
  for (int i = 0; i < tensor.rank(); ++i) extents += (i ? ", " : "") + std::to_string(tensor.extent(i));
  if (tensor.rank() == 1) extents += ",";
  std::string_view description;
  for (const auto& [dtype, text] : descriptions) {
    if (dtype == tensor.dtype()) description = text;
  }
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", description, extents);
  const std::size_t total = (prefix_bytes + header.size() + 1 + header_alignment - 1) / header_alignment * header_alignment;
  header.resize(total - prefix_bytes - 1, ' ');
  return header + "\n";
}

/// Reads the dictionary literal of a header, token by token.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, std::string_view file) : text_(text), file_(file) {}

  /// The uninitialised tensor that the header describes, if its elements take `data_bytes`.
  Tensor read(std::uint64_t data_bytes) {
    expect("{");
    bool done = accept("}");
    while (!done) {
      read_field();
      const bool comma = accept(",");
      done = accept("}");
      if (!comma && !done) fail("expected `,` or `}`");
    }
    skip_space();
    if (!text_.empty()) fail("something follows the dictionary");
    if (dtype_ == nullptr || !has_order_ || !has_shape_) fail("expected descr, fortran_order and shape");
    std::uint64_t bytes = size_of(dtype_->dtype);
    for (const std::int64_t extent : extents_) {
      if (extent != 0 && bytes > std::numeric_limits<std::int64_t>::max() / 16 / static_cast<std::uint64_t>(extent)) {
        fail("the number of elements overflows");
      }
      bytes *= static_cast<std::uint64_t>(extent);
    }
    require<DataError>(bytes == data_bytes, "{}: expected {} bytes of elements after the header but the file has {}.", file_, bytes,
                       data_bytes);
    return Tensor(Shape(std::span<const std::int64_t>(extents_)), dtype_->dtype);
  }

 private:
  void read_field() {
    const std::string_view key = quoted();
    expect(":");
    if (key == "descr" && dtype_ == nullptr) {
      const std::string_view text = quoted();
      for (const Description& description : descriptions) {
        if (description.text == text) dtype_ = &description;
      }
      if (dtype_ == nullptr) fail("amnet reads the dtypes <f4, <f8, <i8 and |u1 only");
    } else if (key == "fortran_order" && !has_order_) {
      if (accept("True")) fail("the array is in Fortran order, which amnet does not read");
      expect("False");
      has_order_ = true;
    } else if (key == "shape" && !has_shape_) {
      read_shape();
    } else {
      fail("expected descr, fortran_order and shape, once each");
    }
  }

  void read_shape() {
    expect("(");
    while (!accept(")")) {
      skip_space();
      std::int64_t extent = 0;
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), extent);
      if (error != std::errc() || extent < 0) fail("expected extents from 0 to 2^63");
      if (extents_.size() == Shape::max_rank) fail("amnet reads at most four dimensions");
      extents_.push_back(extent);
      text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
      if (!accept(",")) {
        if (extents_.size() == 1) fail("expected a tuple, which has a comma after its only extent");
        expect(")");
        break;
      }
    }
    has_shape_ = true;
  }

  std::string_view quoted() {
    expect("'");
    const std::size_t end = text_.find('\'');
    if (end == std::string_view::npos) fail("a quote is not closed");
    const std::string_view inside = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return inside;
  }
  void skip_space() { text_.remove_prefix(std::min(text_.find_first_not_of(" \n"), text_.size())); }
  bool accept(std::string_view token) {
    skip_space();
    if (!text_.starts_with(token)) return false;
    text_.remove_prefix(token.size());
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token)) fail(fmt::format("expected `{}`", token));
  }
  [[noreturn]] void fail(std::string_view what) const { throw DataError(fmt::format("{}: in the .npy header: {}.", file_, what)); }

  std::string_view text_;
  std::string_view file_;
  const Description* dtype_ = nullptr;
  bool has_order_ = false;
  bool has_shape_ = false;
  std::vector<std::int64_t> extents_;
};

}  // namespace

void write_npy(const std::filesystem::path& path, const Tensor& tensor) {
  require(tensor.defined() && tensor.memory() == Memory::host, "[npy] expected a tensor with elements in host memory for {}.",
          path.string());
  const std::string header = header_of(tensor);
  const auto length = static_cast<std::uint16_t>(header.size());
  write_durably(path, [&](const ByteSink& sink) {
    sink(std::as_bytes(std::span(magic)));
    sink(std::as_bytes(std::span(&length, 1)));
    sink(std::as_bytes(std::span(header)));
    if (tensor.size_bytes() != 0) sink({tensor.raw(), tensor.size_bytes()});
  });
}

Tensor read_npy(const std::filesystem::path& path) {
  InputFile file(path);
  const std::string name = path.string();
  std::string start(magic.size(), '\0');
  std::uint16_t length = 0;
  require<DataError>(file.size() >= prefix_bytes, "{}: expected a .npy file but it has only {} bytes.", name, file.size());
  file.read(std::as_writable_bytes(std::span(start)));
  file.read(std::as_writable_bytes(std::span(&length, 1)));
  require<DataError>(start == magic, "{}: expected a .npy file of version 1.0 but it starts otherwise.", name);
  require<DataError>(length <= file.size() - prefix_bytes, "{}: the .npy header is cut short.", name);
  std::string header(length, '\0');
  file.read(std::as_writable_bytes(std::span(header)));
  const Tensor tensor = HeaderReader(header, name).read(file.size() - prefix_bytes - length);
  file.read(std::span(tensor.raw(), tensor.size_bytes()));
  return tensor;
}

}  // namespace amnet
