// Checks the chunks of a WebP before libwebp reads it, because libwebp stops after the picture and
// does not notice what is missing behind it in a truncated file. The format: RFC 9649, "WebP Image
// Format", section 2.
#include "codecs.h"

#include <webp/decode.h>

#include <new>
#include <utility>

namespace amnet::codecs {
namespace {

/// The size of the RIFF container, that every chunk of it is there, and the orientation of the
/// picture.
int check_structure(Bytes file) {
  // name and length of a chunk; those of the file, and its kind
  constexpr std::size_t frame = 8, form = 12;
  const std::size_t end = frame + std::size_t{little32(file, 4)};
  expect(end <= file.size(), "is a truncated WebP ({} bytes of {}).", file.size(), end);
  bool picture = false;
  std::optional<int> orientation;
  for (std::size_t at = form; at < end;) {
    expect(end - at >= frame, "is a damaged WebP (it ends inside a chunk).");
    const std::size_t length = little32(file, at + 4);
    expect(length <= end - at - frame, "is a damaged WebP (it ends inside a chunk).");
    const std::string_view name(reinterpret_cast<const char*>(file.data()) + at, 4);
    expect(name != "ANIM" && name != "ANMF", "is an animated WebP; keep one frame of it.");
    if (name == "VP8 " || name == "VP8L") picture = true;
    if (name == "EXIF" && !orientation) orientation = exif_orientation(file.subspan(at + frame, length));
    at += frame + length + length % 2;
  }
  expect(picture, "is a damaged WebP (it holds no picture).");
  return orientation.value_or(1);
}

}  // namespace

Image decode_webp(Bytes file, ChannelOrder order) {
  const int orientation = check_structure(file);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(file.data());
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) throw std::bad_alloc();
  const bool header = WebPGetFeatures(bytes, file.size(), &config.input) == VP8_STATUS_OK;
  expect(header, "is a truncated or damaged WebP (its header is not one).");
  expect(config.input.has_animation == 0, "is an animated WebP; keep one frame of it.");
  expect_size(config.input.height, config.input.width);

  Image image{config.input.height, config.input.width, {}};
  const std::size_t stride = static_cast<std::size_t>(image.width) * 3;
  image.pixels.resize(stride * static_cast<std::size_t>(image.height));
  config.output.colorspace = order == ChannelOrder::bgr ? MODE_BGR : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {.rgba = image.pixels.data(), .stride = static_cast<int>(stride), .size = image.pixels.size()};
  const VP8StatusCode status = WebPDecode(bytes, file.size(), &config);
  WebPFreeDecBuffer(&config.output);
  if (status == VP8_STATUS_OUT_OF_MEMORY) throw std::bad_alloc();
  expect(status == VP8_STATUS_OK, "is a truncated or damaged WebP (its picture is incomplete).");
  return turned(std::move(image), orientation);
}

}  // namespace amnet::codecs
