#include "event_records.h"

#include <array>
#include <bit>

namespace amnet::event_records {
namespace {

constexpr std::array<std::uint32_t, 256> crc_table() {
  constexpr std::uint32_t castagnoli = 0x82F63B78;  // 0x1EDC6F41 with its bits in opposite order
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? castagnoli : 0);
    table[byte] = crc;
  }
  return table;
}

template <class T>
std::string little_endian(T number) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof(T); ++i) bytes += static_cast<char>(number >> 8 * i & 0xFF);
  return bytes;
}

std::string masked_crc(std::string_view bytes) {
  constexpr std::uint32_t added = 0xa282ead8;
  return little_endian(std::rotr(crc32c(bytes), 15) + added);
}

std::string record(std::string_view message) {
  const std::string length = little_endian(std::uint64_t{message.size()});
  return length + masked_crc(length) + std::string(message) + masked_crc(message);
}

// --- fields of protobuf: protobuf.dev/programming-guides/encoding ------------------------------------------

enum class Wire : unsigned char { varint = 0, eight_bytes = 1, bytes = 2, four_bytes = 5 };

std::string as_varint(std::uint64_t number) {
  std::string bytes;
  for (; number >= 0x80; number >>= 7) bytes += static_cast<char>(0x80 | (number & 0x7F));
  return bytes + static_cast<char>(number);
}

std::string key(int field, Wire wire) { return as_varint(static_cast<std::uint64_t>(field) << 3 | static_cast<std::uint64_t>(wire)); }
std::string field(int number, std::int64_t value) { return key(number, Wire::varint) + as_varint(static_cast<std::uint64_t>(value)); }
std::string field(int number, double value) { return key(number, Wire::eight_bytes) + little_endian(std::bit_cast<std::uint64_t>(value)); }
std::string field(int number, float value) { return key(number, Wire::four_bytes) + little_endian(std::bit_cast<std::uint32_t>(value)); }
std::string field(int number, std::string_view bytes) { return key(number, Wire::bytes) + as_varint(bytes.size()) + std::string(bytes); }

/// Event: wall_time = 1, step = 2, and one of file_version = 3, summary = 5, session_log = 7.
std::string event(double time, std::int64_t step, int number, std::string_view content) {
  return record(field(1, time) + field(2, step) + field(number, content));
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr std::array<std::uint32_t, 256> table = crc_table();
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char c : bytes) crc = (crc >> 8) ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xFF];
  return ~crc;
}

std::string version(double time) { return event(time, 0, 3, "brain.Event:2"); }

std::string start(double time, std::int64_t step) {
  return event(time, step, 7, field(1, std::int64_t{1}));  // SessionLog: status = 1; START is 1
}

std::string scalars(double time, std::int64_t step, std::span<const Scalar> scalars) {
  std::string summary;  // Summary: value = 1, of tag = 1 and simple_value = 2
  for (const Scalar& scalar : scalars) summary += field(1, field(1, scalar.tag) + field(2, static_cast<float>(scalar.value)));
  return event(time, step, 5, summary);
}

}  // namespace amnet::event_records
