// The one file that includes stb_image and stb_image_write, compiled for PNG and BMP alone: its
// JPEG decoder accepts truncated files and has overrun its buffers, its GIF decoder has open
// reports, and the other formats are not used for training.
#include "codecs.h"

#include <cstdlib>
#include <memory>
#include <utility>

namespace amnet::codecs {
namespace {

// A small PNG can need gigabytes while it is inflated; decoding an image of max_image_pixels needs
// no more than this.
constexpr std::size_t max_stb_bytes = static_cast<std::size_t>(max_image_pixels) * 8;

void* stb_allocate(std::size_t bytes) { return bytes <= max_stb_bytes ? std::calloc(bytes, 1) : nullptr; }
void* stb_reallocate(void* old, std::size_t bytes) { return bytes <= max_stb_bytes ? std::realloc(old, bytes) : nullptr; }

}  // namespace
}  // namespace amnet::codecs

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC  // a program that embeds amnet may have its own stb_image
#define STBI_NO_JPEG
#define STBI_NO_GIF
#define STBI_NO_PSD
#define STBI_NO_TGA
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_NO_PIC
#define STBI_NO_PNM
#define STBI_NO_STDIO
#define STBI_ASSERT(condition) ((void)0)  // a damaged file must not end the program
#define STBI_MALLOC(bytes) amnet::codecs::stb_allocate(bytes)
#define STBI_REALLOC(old, bytes) amnet::codecs::stb_reallocate(old, bytes)
#define STBI_FREE(old) std::free(old)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wsign-compare"
#if __has_include(<stb/stb_image.h>)
#include <stb/stb_image.h>
#else
#include <stb_image.h>
#endif
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#if __has_include(<stb/stb_image_write.h>)
#include <stb/stb_image_write.h>
#else
#include <stb_image_write.h>
#endif
#pragma GCC diagnostic pop

namespace amnet::codecs {

Image decode_with_stb(Bytes file, ChannelOrder order) {
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(file.data()), static_cast<int>(file.size()), &width, &height, &channels, 3),
      std::free);
  expect(pixels != nullptr, "is damaged ({}).", stbi_failure_reason() ? stbi_failure_reason() : "no reason given");
  const auto bytes = static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * 3;
  Image image{height, width, std::vector<std::uint8_t>(pixels.get(), pixels.get() + bytes)};
  if (order == ChannelOrder::bgr) {
    for (std::size_t i = 0; i < bytes; i += 3) std::swap(image.pixels[i], image.pixels[i + 2]);
  }
  return image;
}

}  // namespace amnet::codecs

namespace amnet {

std::vector<std::byte> encode_png(const Image& image, ChannelOrder order) {
  require(image.height >= 1 && image.width >= 1, "[png] expected an image with pixels but got {}x{}.", image.height, image.width);
  std::vector<std::uint8_t> rgb = image.pixels;
  if (order == ChannelOrder::bgr) {
    for (std::size_t i = 0; i < rgb.size(); i += 3) std::swap(rgb[i], rgb[i + 2]);
  }
  int bytes = 0;
  const std::unique_ptr<unsigned char, void (*)(void*)> file(
      stbi_write_png_to_mem(rgb.data(), static_cast<int>(image.width * 3), static_cast<int>(image.width), static_cast<int>(image.height), 3,
                            &bytes),
      std::free);
  if (file == nullptr)
    throw MemoryError(fmt::format("[png] there is not enough memory to encode {}x{} pixels.", image.height, image.width));
  const auto* begin = reinterpret_cast<const std::byte*>(file.get());
  return {begin, begin + bytes};
}

}  // namespace amnet
