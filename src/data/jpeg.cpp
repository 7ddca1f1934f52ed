#include "codecs.h"

#include <turbojpeg.h>

#include <memory>
#include <new>

namespace amnet {
namespace {

struct Destroy {
  void operator()(void* handle) const { tjDestroy(handle); }
};
// A handle per image, which costs 0.3 us of the 60 us of a face: a kept one would lend a file without tables those of the file
// before it, and TurboJPEG 2.1.5 can refuse a good image after a bad one.
using Handle = std::unique_ptr<void, Destroy>;

int pixel_format(ChannelOrder order) { return order == ChannelOrder::bgr ? TJPF_BGR : TJPF_RGB; }

}  // namespace

Image codecs::decode_jpeg(Bytes file, ChannelOrder order) {
  const Handle handle(tjInitDecompress());
  if (!handle) throw std::bad_alloc();
  const auto* bytes = reinterpret_cast<const unsigned char*>(file.data());
  const auto size = static_cast<unsigned long>(file.size());
  int width = 0, height = 0, chroma = 0, colours = 0;
  const bool header = tjDecompressHeader3(handle.get(), bytes, size, &width, &height, &chroma, &colours) == 0;
  expect(header, "is a truncated or damaged JPEG ({}).", tjGetErrorStr2(handle.get()));
  expect(colours != TJCS_CMYK && colours != TJCS_YCCK, "is a CMYK JPEG, whose colours depend on a printer's profile; convert it to RGB.");
  expect_size(height, width);

  Image image{height, width, std::vector<std::uint8_t>(static_cast<std::size_t>(height) * static_cast<std::size_t>(width) * 3)};
  const bool whole = tjDecompress2(handle.get(), bytes, size, image.pixels.data(), width, 0, height, pixel_format(order),
                                   TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) == 0;
  expect(whole, "is a truncated or damaged JPEG ({}).", tjGetErrorStr2(handle.get()));
  return image;
}

std::vector<std::byte> encode_jpeg(const Image& image, ChannelOrder order, int quality) {
  require(quality >= 1 && quality <= 100, "[encode_jpeg] expected a quality from 1 to 100 but got {}.", quality);
  require(image.height >= 1 && image.width >= 1 && image.height <= 65500 && image.width <= 65500 &&
              static_cast<std::int64_t>(image.pixels.size()) == image.height * image.width * 3,
          "[encode_jpeg] expected {}x{}x3 pixels, with sides from 1 to 65500, but got {} bytes.", image.height, image.width,
          image.pixels.size());
  const Handle handle(tjInitCompress());
  if (!handle) throw std::bad_alloc();
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  const int status = tjCompress2(handle.get(), image.pixels.data(), static_cast<int>(image.width), 0, static_cast<int>(image.height),
                                 pixel_format(order), &bytes, &size, TJSAMP_420, quality, 0);
  const std::unique_ptr<unsigned char, void (*)(unsigned char*)> owner(bytes, tjFree);
  require<DataError>(status == 0, "[encode_jpeg] libjpeg-turbo could not compress the image: {}.", tjGetErrorStr2(handle.get()));
  const auto* begin = reinterpret_cast<const std::byte*>(bytes);
  return {begin, begin + size};
}

}  // namespace amnet
