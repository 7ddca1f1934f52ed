// Checks the chunks of a PNG before stb_image reads it, because stb_image ignores checksums and
// reads on past what a truncated file holds. The format: W3C, "Portable Network Graphics", third
// edition, sections 5 and 11.
#include "codecs.h"

#include <algorithm>
#include <array>

namespace amnet::codecs {
namespace {

constexpr std::array<std::uint32_t, 256> crc_table = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value & 1 ? 0xEDB88320U ^ (value >> 1) : value >> 1;
    table[i] = value;
  }
  return table;
}();

/// The CRC-32 that ends every chunk (section 5.5).
std::uint32_t crc32(Bytes bytes) {
  std::uint32_t crc = ~0U;
  for (const std::byte b : bytes) crc = crc_table[(crc ^ std::to_integer<std::uint32_t>(b)) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

struct Structure {
  bool palette_image = false;
  std::size_t palette_at = 0;  // the offset of the PLTE chunk; 0 for none
  std::optional<int> orientation;
};

/// The size, the depth and the presence of everything up to IEND.
Structure check_structure(Bytes file) {
  constexpr std::string_view signature = "\x89PNG\r\n\x1A\n";
  constexpr std::size_t frame = 12;  // length, name and checksum of a chunk
  const bool signed_right =
      file.size() >= signature.size() && std::equal(signature.begin(), signature.end(), reinterpret_cast<const char*>(file.data()));
  expect(signed_right, "is a truncated or damaged PNG (its signature is incomplete).");
  Structure structure;
  for (std::size_t at = signature.size();;) {
    expect(file.size() - at >= frame, "is a truncated PNG (it ends before its IEND chunk).");
    const std::size_t length = big32(file, at);
    expect(length <= file.size() - at - frame, "is a truncated PNG (it ends inside a chunk).");
    expect(crc32(file.subspan(at + 4, length + 4)) == big32(file, at + 8 + length), "is a damaged PNG (a chunk's checksum is wrong).");
    const std::string_view name(reinterpret_cast<const char*>(file.data()) + at + 4, 4);
    const std::size_t data = at + 8;
    if (at == signature.size()) {
      expect(name == "IHDR" && length == 13, "is a damaged PNG (it does not begin with its header).");
      expect_size(big32(file, data + 4), big32(file, data));
      expect(byte(file, data + 8) <= 8, "is a PNG of {} bits a channel; convert it to 8.", byte(file, data + 8));
      structure.palette_image = byte(file, data + 9) == 3;
    } else if (name == "PLTE") {
      expect(structure.palette_at == 0 && length <= 768 && length % 3 == 0, "is a damaged PNG (its palette is malformed).");
      structure.palette_at = at;
    } else if (name == "IEND") {
      return structure;
    } else {
      expect(name != "acTL", "is an animated PNG; keep one frame of it.");
      if (name == "eXIf" && !structure.orientation) structure.orientation = exif_orientation(file.subspan(data, length));
      // An upper-case first letter marks a chunk without which the image cannot be understood
      // (section 5.4).
      expect(name == "IDAT" || byte(file, at + 4) >= 'a', "is a damaged or unsupported PNG (it holds an unknown critical chunk).");
    }
    at += length + frame;
  }
}

/// The same file with the palette filled up to 256 colours with black: stb_image keeps a palette of
/// 256 and would read memory that it never set for a pixel beyond the end. (It ignores checksums,
/// so that of the chunk may be stale.)
std::vector<std::byte> with_full_palette(Bytes file, std::size_t palette_at) {
  const std::size_t length = big32(file, palette_at);
  const std::size_t end = palette_at + 8 + length;
  std::vector<std::byte> full(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(end));
  full[palette_at + 2] = std::byte{768 >> 8};
  full[palette_at + 3] = std::byte{768 & 0xFF};
  full.resize(end + 768 - length);
  full.insert(full.end(), file.begin() + static_cast<std::ptrdiff_t>(end), file.end());
  return full;
}

}  // namespace

Image decode_png(Bytes file, ChannelOrder order) {
  const Structure structure = check_structure(file);
  const int orientation = structure.orientation.value_or(1);
  if (!structure.palette_image) return turned(decode_with_stb(file, order), orientation);
  expect(structure.palette_at != 0, "is a damaged PNG (its palette is missing).");
  return turned(decode_with_stb(with_full_palette(file, structure.palette_at), order), orientation);
}

}  // namespace amnet::codecs
