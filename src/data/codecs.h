// The decoders that decode_image uses, one per kind of file, and what they share.
#pragma once

#include <amnet/data/image.h>

#include <optional>
#include <string>

namespace amnet::codecs {

using Bytes = std::span<const std::byte>;

/// Why a file is not a usable image; decode_image puts the file's name in front.
struct Refusal {
  std::string reason;  // completes the sentence "<name> ..."
};

/// Throws Refusal with the formatted reason unless `condition` holds.
template <class... Args>
void expect(bool condition, fmt::format_string<Args...> reason, Args&&... args) {
  if (!condition) [[unlikely]] {
    throw Refusal{fmt::format(reason, std::forward<Args>(args)...)};
  }
}

/// Refuses an image without pixels or with too many of them.
inline void expect_size(std::int64_t height, std::int64_t width) {
  expect(height >= 1 && width >= 1, "is {}x{} pixels, an empty image.", height, width);
  expect(width <= max_image_pixels / height, "is {}x{} pixels, more than the {} that amnet decodes.", height, width,
         std::int64_t{max_image_pixels});
}

/// Byte `at` as a number, and integers of both byte orders; `at` must lie inside the file.
inline std::uint32_t byte(Bytes file, std::size_t at) { return std::to_integer<std::uint32_t>(file[at]); }
inline std::uint32_t little16(Bytes file, std::size_t at) { return byte(file, at) | byte(file, at + 1) << 8; }
inline std::uint32_t little32(Bytes file, std::size_t at) { return little16(file, at) | little16(file, at + 2) << 16; }
inline std::uint32_t big32(Bytes file, std::size_t at) {
  return byte(file, at) << 24 | byte(file, at + 1) << 16 | byte(file, at + 2) << 8 | byte(file, at + 3);
}

inline bool starts_with(Bytes file, std::string_view magic) {
  return file.size() >= magic.size() && std::string_view(reinterpret_cast<const char*>(file.data()), magic.size()) == magic;
}

Image decode_jpeg(Bytes file, ChannelOrder order);
Image decode_png(Bytes file, ChannelOrder order);
Image decode_webp(Bytes file, ChannelOrder order);
Image decode_bmp(Bytes file, ChannelOrder order);
Image decode_pnm(Bytes file, ChannelOrder order);

/// Whether a JPEG's APP1 segment holds Exif; it may be XMP, too.
bool is_exif_segment(Bytes segment);
/// The orientation that Exif states, in [1,8]: a TIFF structure, with the name of its JPEG segment
/// before it or not. Nothing where it is damaged, or has no value or an invalid one.
std::optional<int> exif_orientation(Bytes exif);
/// The image as it is to be shown; orientation in [1,8].
Image turned(Image image, int orientation);

/// Why a file of a format that amnet does not read is refused, by the name of the format.
Refusal foreign_format(Bytes file);

/// PNG and BMP pixels by stb_image, in (height, width, 3); the caller has checked the file's
/// structure.
Image decode_with_stb(Bytes file, ChannelOrder order);

}  // namespace amnet::codecs
