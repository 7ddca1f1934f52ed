// The wire format of protocol buffers (https://protobuf.dev/programming-guides/encoding), read
// without building messages: Caffe's binary files are large and nearly all of them is numbers, so
// values go from the file's bytes to a tensor, and a damaged file cannot request memory.
//
//   for (WireReader reader(file, bytes, bytes); const auto field = reader.next();) {
//     if (field->number == NetParameter::kLayerFieldNumber) read_layer(field->bytes);
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace amnet::caffe {

using Bytes = std::span<const std::byte>;

enum class Wire : unsigned char { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

/// What stands before the bytes of a field.
struct WireHead {
  int number;
  Wire wire;
  std::uint64_t value;  ///< of a varint; of the others the number of bytes that follow
  std::size_t size;     ///< of the head itself, in bytes
  std::uint64_t following() const { return wire == Wire::varint ? 0 : value; }
};

/// The head at the front of `bytes`; nothing where there is none, or where it is cut short.
std::optional<WireHead> wire_head(Bytes bytes);

/// The varint at the front of `bytes`, which is removed from them; nothing where there is none.
std::optional<std::uint64_t> take_varint(Bytes& bytes);

struct WireField {
  int number;
  Wire wire;
  std::uint64_t value;  ///< of a varint
  Bytes bytes;          ///< of the others
};

/// The fields of one message.
class WireReader {
 public:
  /// `message` lies in `all`, the bytes of the file, which messages of errors count from.
  WireReader(const std::string& file, Bytes all, Bytes message) : file_(file), all_(all), rest_(message) {}

  /// Nothing at the end. Throws DataError where no field begins, or one is cut short.
  std::optional<WireField> next();

 private:
  const std::string& file_;
  Bytes all_, rest_;
};

}  // namespace amnet::caffe
