// Image files to bytes and back. The kind of a file is recognised by its first bytes, never by its
// name. JPEG is decoded by libjpeg-turbo, WebP by libwebp, PNG and BMP by stb_image, binary PGM and
// PPM here. Grey and palette images become three channels, alpha is dropped, and the Exif
// orientation (JPEG, PNG, WebP) is applied: rows are those that a viewer shows. Everything that
// would need a guess is refused: CMYK, more than 8 bits a channel, animations, files that are
// truncated or damaged; and all other formats, by their names. There is no resizing here.
//
//   Image image = read_image("faces/ann/01.jpg", ChannelOrder::bgr);
//   const std::uint8_t blue = image.pixels.data()[(y * image.width + x) * 3];
#pragma once

#include <amnet/core/image_format.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace amnet {

/// 8-bit pixels with three interleaved channels.
struct Image {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::vector<std::uint8_t> pixels;  // (height, width, 3)
  // warnings of the decoder that do not affect the pixels: bytes between a JPEG's segments
  int warnings = 0;
};

/// Images of more pixels than this are refused before any memory is taken for them.
inline constexpr std::int64_t max_image_pixels = std::int64_t{1} << 26;
/// Files of more bytes than this are refused before they are read.
inline constexpr std::int64_t max_image_file_bytes = std::int64_t{1} << 28;

/// Decodes the bytes of an image file. Throws DataError "<name> <reason>" for anything but a whole,
/// still, 8-bit image; a JPEG whose decoder warns about its pixels is refused, and so is a PNG with
/// a wrong checksum.
Image decode_image(std::span<const std::byte> file, ChannelOrder order, std::string_view name);

/// The bytes of an image file. Throws DataError "<name> <reason>" if it is missing, not a regular
/// file, unreadable, empty or too large.
std::vector<std::byte> read_image_file(const std::filesystem::path& path, std::string_view name);
/// The same into memory that is reused: `bytes` holds the file afterwards.
void read_image_file(const std::filesystem::path& path, std::string_view name, std::vector<std::byte>& bytes);

/// Reads and decodes an image file. Throws DataError.
Image read_image(const std::filesystem::path& path, ChannelOrder order);

/// A baseline JPEG with 4:2:0 chroma; quality in [1,100]. The same image gives the same bytes.
std::vector<std::byte> encode_jpeg(const Image& image, ChannelOrder order, int quality);
/// A PNG of 8-bit RGB; the same image gives the same bytes. Throws UsageError for an empty image.
std::vector<std::byte> encode_png(const Image& image, ChannelOrder order);

}  // namespace amnet
