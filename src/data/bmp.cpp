// Checks that a BMP holds all the bytes that its header declares before stb_image reads it, because
// stb_image reads zeros where a file has ended. The format: Microsoft, "Bitmap Storage" and
// BITMAPINFOHEADER.
#include "codecs.h"

namespace amnet::codecs {
namespace {

struct Header {
  std::size_t pixels_at;        // offset of the first row
  std::size_t palette_colours;  // between the header and the pixels
  std::int64_t height, width;
  unsigned bits;       // per pixel
  std::size_t stride;  // bytes per row
};

Header read_header(Bytes file) {
  expect(file.size() >= 26, "is a truncated BMP (its header is incomplete).");
  const std::size_t info = little32(file, 14);  // size of the second header
  expect(info == 12 || info == 40 || info == 56 || info == 108 || info == 124, "is a damaged or unsupported BMP (a header of {} bytes).",
         info);
  expect(file.size() >= 14 + info, "is a truncated BMP (its header is incomplete).");
  Header header{};
  header.pixels_at = little32(file, 10);
  const bool old = info == 12;
  // Rows from top to bottom are marked by a negative height.
  header.width = old ? little16(file, 18) : static_cast<std::int32_t>(little32(file, 18));
  header.height = old ? little16(file, 20) : static_cast<std::int32_t>(little32(file, 22));
  header.height = header.height < 0 ? -header.height : header.height;
  expect_size(header.height, header.width);
  header.bits = little16(file, old ? 24 : 28);
  const std::uint32_t compression = old ? 0 : little32(file, 30);
  const bool depth = header.bits == 1 || header.bits == 4 || header.bits == 8 || header.bits == 24 || header.bits == 32;
  expect(depth, "is a BMP of {} bits a pixel; convert it to 24.", header.bits);
  expect(compression == 0 || (compression == 3 && header.bits == 32), "is a compressed BMP; convert it to PNG.");
  header.stride = (static_cast<std::size_t>(header.width) * header.bits + 31) / 32 * 4;
  expect(header.pixels_at >= 14 + info, "is a damaged BMP (its pixels begin inside its header).");
  header.palette_colours = (header.pixels_at - 14 - info) / (old ? 3 : 4);
  return header;
}

}  // namespace

Image decode_bmp(Bytes file, ChannelOrder order) {
  const Header header = read_header(file);
  const std::size_t need = header.pixels_at + header.stride * static_cast<std::size_t>(header.height);
  expect(need <= file.size(), "is a truncated BMP ({} bytes of {}).", file.size(), need);
  // A pixel beyond the palette would read memory that stb_image never set.
  if (header.bits < 8) expect(header.palette_colours >= 1U << header.bits, "is a damaged BMP (its palette is too small).");
  if (header.bits == 8 && header.palette_colours < 256) {
    for (std::int64_t y = 0; y < header.height; ++y) {
      for (std::int64_t x = 0; x < header.width; ++x) {
        const std::size_t at = header.pixels_at + static_cast<std::size_t>(y) * header.stride + static_cast<std::size_t>(x);
        expect(byte(file, at) < header.palette_colours, "is a damaged BMP (a pixel points past its palette).");
      }
    }
  }
  return decode_with_stb(file, order);
}

}  // namespace amnet::codecs
