// The layout of a packed file, as <amnet/faces/packed_faces.h> has it, and little-endian numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace amnet::packed {

using Bytes = std::span<const std::byte>;

inline constexpr std::string_view head_mark = "AMNETPAK";
inline constexpr std::string_view foot_mark = "AMNETEND";
inline constexpr std::uint32_t version = 1;
inline constexpr std::size_t head_bytes = 16;
inline constexpr std::size_t entry_bytes = 32;
inline constexpr std::size_t foot_bytes = 56;
inline constexpr std::size_t foot_summed_bytes = 40;  // of the foot, up to its own checksum

/// `count` bytes from `at` as a number; they must lie inside.
inline std::uint64_t number(Bytes bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value |= std::to_integer<std::uint64_t>(bytes[at + i]) << (8 * i);
  return value;
}
inline std::uint64_t little64(Bytes bytes, std::size_t at) { return number(bytes, at, 8); }
inline std::uint32_t little32(Bytes bytes, std::size_t at) { return static_cast<std::uint32_t>(number(bytes, at, 4)); }

inline void append_number(std::vector<std::byte>& bytes, std::uint64_t value, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::byte>(value >> (8 * i) & 0xFF));
}
inline void append_text(std::vector<std::byte>& bytes, std::string_view text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  bytes.insert(bytes.end(), begin, begin + text.size());
}
inline std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// An image's place in the index.
struct Entry {
  std::uint64_t offset;    // of its bytes in the file
  std::uint64_t checksum;  // of its bytes
  std::uint64_t path_end;  // among the paths; it begins where the one before ends
  std::uint32_t bytes;
  std::uint32_t label;
};

inline Entry entry_at(Bytes index, std::size_t i) {
  const std::size_t at = i * entry_bytes;
  return {little64(index, at), little64(index, at + 8), little64(index, at + 16), little32(index, at + 24), little32(index, at + 28)};
}
inline void append_entry(std::vector<std::byte>& index, const Entry& entry) {
  append_number(index, entry.offset, 8);
  append_number(index, entry.checksum, 8);
  append_number(index, entry.path_end, 8);
  append_number(index, entry.bytes, 4);
  append_number(index, entry.label, 4);
}

}  // namespace amnet::packed
