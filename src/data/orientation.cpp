// The orientation in which an image is to be shown. The tag: CIPA DC-008, "Exif", section 4.6.4
// (Orientation); the structure that holds it: Adobe, "TIFF 6.0", section 2.
#include "codecs.h"

#include <algorithm>
#include <utility>

namespace amnet::codecs {
namespace {

constexpr std::string_view exif_name = "Exif";
// with two zero bytes; some writers have another second one
constexpr std::size_t exif_name_bytes = 6;

/// Integers of the byte order that the structure names; the caller must avoid positions beyond its
/// end.
struct Tiff {
  Bytes bytes;
  bool big;

  std::uint32_t u16(std::size_t at) const { return big ? byte(bytes, at) << 8 | byte(bytes, at + 1) : little16(bytes, at); }
  std::uint32_t u32(std::size_t at) const { return big ? big32(bytes, at) : little32(bytes, at); }
};

}  // namespace

bool is_exif_segment(Bytes segment) { return segment.size() > exif_name_bytes && starts_with(segment, exif_name) && byte(segment, 4) == 0; }

std::optional<int> exif_orientation(Bytes exif) {
  if (is_exif_segment(exif)) exif = exif.subspan(exif_name_bytes);
  constexpr std::size_t header_bytes = 8, entry_bytes = 12;
  constexpr std::uint32_t orientation_tag = 0x0112, short_type = 3;
  if (exif.size() < header_bytes) return std::nullopt;
  const bool big = starts_with(exif, "MM");
  if (!big && !starts_with(exif, "II")) return std::nullopt;
  const Tiff tiff{exif, big};
  if (tiff.u16(2) != 42) return std::nullopt;
  const std::size_t directory = tiff.u32(4);
  if (directory > exif.size() || exif.size() - directory < 2) return std::nullopt;
  const std::size_t there = (exif.size() - directory - 2) / entry_bytes;
  const std::size_t entries = std::min<std::size_t>(tiff.u16(directory), there);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * entry_bytes;
    if (tiff.u16(entry) != orientation_tag) continue;
    if (tiff.u16(entry + 2) != short_type || tiff.u32(entry + 4) != 1) return std::nullopt;
    const std::uint32_t value = tiff.u16(entry + 8);
    return value >= 1 && value <= 8 ? std::optional(static_cast<int>(value)) : std::nullopt;
  }
  return std::nullopt;
}

Image turned(Image image, int orientation) {
  if (orientation == 1) return image;
  // From 5 on rows become columns. Which of the image's sides is seen on top and left says where
  // the first pixel lies and how far apart neighbours of the result are.
  const bool transposed = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const std::int64_t row = image.width * 3;
  const std::int64_t right = from_right ? -3 : 3, down = from_bottom ? -row : row;
  const std::int64_t first = (from_right ? row - 3 : 0) + (from_bottom ? row * (image.height - 1) : 0);

  Image result{transposed ? image.width : image.height, transposed ? image.height : image.width, {}, image.warnings};
  result.pixels.resize(image.pixels.size());
  std::uint8_t* out = result.pixels.data();
  for (std::int64_t y = 0; y < result.height; ++y) {
    const std::uint8_t* in = image.pixels.data() + first + y * (transposed ? right : down);
    const std::int64_t step = transposed ? down : right;
    for (std::int64_t x = 0; x < result.width; ++x, in += step, out += 3) {
      out[0] = in[0];
      out[1] = in[1];
      out[2] = in[2];
    }
  }
  return result;
}

}  // namespace amnet::codecs
