#include "wire.h"

#include <amnet/core/error.h>

namespace amnet::caffe {

std::optional<std::uint64_t> take_varint(Bytes& bytes) {
  constexpr std::size_t longest = 10;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size() && i < longest; ++i) {
    const auto byte = std::to_integer<std::uint64_t>(bytes[i]);
    if (i + 1 == longest && byte > 1) break;  // more than 64 bits
    value |= (byte & 0x7F) << (7 * i);
    if (byte < 0x80) {
      bytes = bytes.subspan(i + 1);
      return value;
    }
  }
  return std::nullopt;
}

std::optional<WireHead> wire_head(Bytes bytes) {
  constexpr std::uint64_t largest_number = (std::uint64_t{1} << 29) - 1;
  Bytes rest = bytes;
  const std::optional<std::uint64_t> tag = take_varint(rest);
  if (!tag || *tag >> 3 == 0 || *tag >> 3 > largest_number) return std::nullopt;
  WireHead head{.number = static_cast<int>(*tag >> 3), .wire = static_cast<Wire>(*tag & 7), .value = 0, .size = 0};
  switch (head.wire) {
    case Wire::fixed64: head.value = 8; break;
    case Wire::fixed32: head.value = 4; break;
    case Wire::varint:
    case Wire::bytes: {
      const std::optional<std::uint64_t> value = take_varint(rest);
      if (!value) return std::nullopt;
      head.value = *value;
      break;
    }
    default: return std::nullopt;
  }
  head.size = bytes.size() - rest.size();
  return head;
}

std::optional<WireField> WireReader::next() {
  if (rest_.empty()) return std::nullopt;
  const auto at = rest_.data() - all_.data();
  const std::optional<WireHead> head = wire_head(rest_);
  require<DataError>(head.has_value(),
                     "{}: expected a field of a protocol buffer at byte {} but there is none; the file is damaged, or is "
                     "another one.",
                     file_, at);
  const std::size_t left = rest_.size() - head->size;
  require<DataError>(head->following() <= left,
                     "{}: the field at byte {} says that it has {} bytes but {} are left; the file is cut short or damaged.", file_, at,
                     head->following(), left);
  const auto length = static_cast<std::size_t>(head->following());
  const WireField field{head->number, head->wire, head->value, rest_.subspan(head->size, length)};
  rest_ = rest_.subspan(head->size + length);
  return field;
}

}  // namespace amnet::caffe
