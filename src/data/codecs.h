// The decoders behind decode_image, one per kind of file, and what they share.
#pragma once

#include <amnet/data/image.h>

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

Image decode_jpeg(Bytes file, ChannelOrder order);
Image decode_png(Bytes file, ChannelOrder order);
Image decode_bmp(Bytes file, ChannelOrder order);
Image decode_pnm(Bytes file, ChannelOrder order);

/// PNG and BMP pixels by stb_image, in (height, width, 3); the caller has checked the file's structure.
Image decode_with_stb(Bytes file, ChannelOrder order);

}  // namespace amnet::codecs
