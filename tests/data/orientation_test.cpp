#include "data/codecs.h"

#include "catch.h"
#include "test_jpeg.h"

using namespace amnet;
using namespace test_images;

namespace {

struct ExifOptions {
  bool big = false;  // byte order
  std::uint32_t type = 3, count = 1;
  std::uint32_t entries = 3;      // the number that the directory states
  std::uint32_t directory = 8;    // the stated place of the directory
  std::uint32_t before = 0;       // bytes between the header and the directory
  std::uint32_t after_entry = 0;  // added after the directory
};

/// A TIFF structure of three entries, of which the second is the orientation.
Bytes tiff(std::uint32_t orientation, const ExifOptions& options = {}) {
  Bytes bytes = bytes_of(options.big ? "MM" : "II");
  const auto put = [&](std::uint32_t value, int size) {
    for (int i = 0; i < size; ++i) bytes.push_back(static_cast<std::byte>(value >> (8 * (options.big ? size - 1 - i : i)) & 0xFF));
  };
  const auto put_short_entry = [&](std::uint32_t tag, std::uint32_t type, std::uint32_t count, std::uint32_t value) {
    put(tag, 2);
    put(type, 2);
    put(count, 4);
    put(value, 2);
    put(0, 2);
  };
  put(42, 2);
  put(options.directory + options.before, 4);
  append(bytes, Bytes(options.before));
  put(options.entries, 2);
  put_short_entry(0x0100, 3, 1, 6);  // ImageWidth, with the value of an orientation
  put_short_entry(0x0112, options.type, options.count, orientation);
  put_short_entry(0x0128, 3, 1, 2);  // ResolutionUnit
  put(0, 4);
  append(bytes, Bytes(options.after_entry));
  return bytes;
}

Bytes exif(std::uint32_t orientation, const ExifOptions& options = {}) {
  Bytes bytes = bytes_of({"Exif\0\0", 6});
  append(bytes, tiff(orientation, options));
  return bytes;
}

/// The definition, pixel by pixel: which side of the displayed image is the file's first row, and
/// which side is its first column.
Image seen(const Image& image, int orientation) {
  const std::int64_t h = image.height, w = image.width;
  Image result{orientation < 5 ? h : w, orientation < 5 ? w : h, std::vector<std::uint8_t>(image.pixels.size())};
  for (std::int64_t r = 0; r < h; ++r) {
    for (std::int64_t c = 0; c < w; ++c) {
      std::int64_t y = 0, x = 0;
      switch (orientation) {
        case 1: y = r, x = c; break;                  // top, left
        case 2: y = r, x = w - 1 - c; break;          // top, right
        case 3: y = h - 1 - r, x = w - 1 - c; break;  // bottom, right
        case 4: y = h - 1 - r, x = c; break;          // bottom, left
        case 5: x = r, y = c; break;                  // left, top
        case 6: x = h - 1 - r, y = c; break;          // right, top
        case 7: x = h - 1 - r, y = w - 1 - c; break;  // right, bottom
        case 8: x = r, y = w - 1 - c; break;          // left, bottom
        default: break;
      }
      for (std::int64_t i = 0; i < 3; ++i) {
        result.pixels[static_cast<std::size_t>((y * result.width + x) * 3 + i)] =
            image.pixels[static_cast<std::size_t>((r * w + c) * 3 + i)];
      }
    }
  }
  return result;
}

bool same(const Image& a, const Image& b) { return a.height == b.height && a.width == b.width && a.pixels == b.pixels; }

Image decoded(const Bytes& file) { return decode_image(file, ChannelOrder::bgr, "x"); }

/// The lossless picture(5, 4), and the same inside the extended format with an EXIF chunk of these
/// bytes.
Bytes webp(const std::optional<Bytes>& exif_chunk) {
  const Bytes plain = webp_of_5x4();
  if (!exif_chunk) return plain;
  Bytes body = bytes_of("WEBPVP8X");
  append_little(body, 10, 4);
  append_little(body, 8, 4);  // the file has an Exif chunk
  append_little(body, 3, 3);  // width - 1, height - 1
  append_little(body, 4, 3);
  body.insert(body.end(), plain.begin() + 12, plain.end());
  append(body, bytes_of("EXIF"));
  append_little(body, static_cast<std::uint32_t>(exif_chunk->size()), 4);
  append(body, *exif_chunk);
  if (exif_chunk->size() % 2 == 1) body.push_back(std::byte{0});
  Bytes file = bytes_of("RIFF");
  append_little(file, static_cast<std::uint32_t>(body.size()), 4);
  append(file, body);
  return file;
}

}  // namespace

TEST_CASE("orientation: all eight values are applied to JPEG, PNG and WebP, to the last pixel", "[image]") {
  const Bytes plain_jpeg = encode_jpeg(picture(24, 18), ChannelOrder::rgb, 90);
  const Image image = picture(5, 4);
  const auto png_with = [&](const Bytes& chunk) {
    Bytes rows;
    for (const std::uint8_t value : image.pixels) rows.push_back(std::byte{value});
    return png({.height = 5, .width = 4, .extra = png_chunk("eXIf", chunk)}, rows);
  };
  for (const bool big : {false, true}) {
    for (int orientation = 1; orientation <= 8; ++orientation) {
      const auto value = static_cast<std::uint32_t>(orientation);
      const ExifOptions options{.big = big};
      const Bytes turned_jpeg = with_bytes_at(plain_jpeg, 2, jpeg_segment(0xE1, exif(value, options)));
      CHECK(same(decoded(turned_jpeg), seen(decoded(plain_jpeg), orientation)));
      CHECK(same(decoded(png_with(tiff(value, options))), seen(decoded(png_of(image)), orientation)));
      CHECK(same(decoded(webp(tiff(value, options))), seen(decoded(webp({})), orientation)));
      // Some programs also write the name of JPEG's segment there.
      CHECK(same(decoded(png_with(exif(value, options))), seen(decoded(png_of(image)), orientation)));
      CHECK(same(decoded(webp(exif(value, options))), seen(decoded(webp({})), orientation)));
    }
  }
}

TEST_CASE("orientation: Exif is found among other segments, and its thumbnail is not the picture", "[image]") {
  const Bytes plain = encode_jpeg(picture(24, 18), ChannelOrder::rgb, 90);
  const Image right = seen(decoded(plain), 6);
  const Bytes xmp = jpeg_segment(0xE1, bytes_of({"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation=\"3\"/>", 54}));
  const Bytes comment = jpeg_segment(0xFE, bytes_of("Exif is not here"));
  const Bytes six = jpeg_segment(0xE1, exif(6));
  const auto before = [&](std::size_t at, const std::vector<Bytes>& segments) {
    Bytes all;
    for (const Bytes& segment : segments) append(all, segment);
    return decoded(with_bytes_at(plain, at, all));
  };
  CHECK(same(before(2, {xmp, comment, six}), right));
  CHECK(same(before(2, {six, xmp}), right));
  const auto segments = jpeg_segments(plain);
  CHECK(same(before(segments[1].begin, {comment, six}), right));  // after the JFIF segment
  for (const JpegSegment& segment : segments) {
    if (segment.marker == 0xDA) CHECK(same(before(segment.begin, {six}), right));
  }
  // the first one has no valid value
  CHECK(same(before(2, {jpeg_segment(0xE1, exif(9)), six}), right));
  CHECK(same(before(2, {jpeg_segment(0xE1, bytes_of({"Exif\0\0", 6})), six}), right));
  CHECK(same(before(2, {six, jpeg_segment(0xE1, exif(3))}), right));
  CHECK(same(before(2, {xmp}), decoded(plain)));

  Bytes with_thumbnail = exif(6);
  append(with_thumbnail, encode_jpeg(picture(8, 8), ChannelOrder::rgb, 50));
  CHECK(same(before(2, {jpeg_segment(0xE1, with_thumbnail)}), right));
  CHECK(same(before(2, {jpeg_segment(0xE1, exif(6, {.before = 60'000}))}), right));
  CHECK(decoded(with_bytes_at(plain, 2, bytes_of("junk"))).warnings == 1);
  Bytes junk_and_six = bytes_of("junk");
  append(junk_and_six, six);
  const Image both = before(2, {junk_and_six});
  CHECK((same(both, right) && both.warnings == 1));
}

TEST_CASE("orientation: Exif that is damaged or says nothing turns nothing", "[image]") {
  using codecs::exif_orientation;
  CHECK(exif_orientation(tiff(6)) == 6);
  CHECK(exif_orientation(exif(6)) == 6);
  for (const std::uint32_t value : {0U, 9U, 255U, 0x0600U, 0xFFFFU}) CHECK(!exif_orientation(tiff(value)));
  CHECK(!exif_orientation(tiff(6, {.type = 2})));
  CHECK(!exif_orientation(tiff(6, {.count = 2})));
  CHECK(!exif_orientation(tiff(6, {.entries = 1})));
  CHECK(exif_orientation(tiff(6, {.entries = 0xFFFF})) == 6);  // only three of them exist
  CHECK(!exif_orientation(tiff(6, {.directory = 0xFFFFFFFF})));
  CHECK(!exif_orientation(tiff(6, {.directory = 4})));
  CHECK(exif_orientation(tiff(6, {.before = 31})) == 6);  // an odd offset
  const Bytes good = tiff(6);
  std::size_t found = 0;
  for (std::size_t size = 0; size <= good.size(); ++size) {
    const std::optional<int> value = exif_orientation(std::span(good).first(size));
    CHECK((!value || *value == 6));
    found += value ? 1 : 0;
  }
  CHECK(found == good.size() - (8 + 2 + 24) + 1);  // from the end of its entry on
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes damaged = good;
    damaged[bit / 8] ^= std::byte(1U << bit % 8);
    const std::optional<int> value = exif_orientation(damaged);
    CHECK((!value || (*value >= 1 && *value <= 8)));
  }
  const Bytes plain = encode_jpeg(picture(24, 18), ChannelOrder::rgb, 90);
  CHECK(same(decoded(with_bytes_at(plain, 2, jpeg_segment(0xE1, exif(0)))), decoded(plain)));
  CHECK(same(decoded(webp(tiff(77))), decoded(webp({}))));
}
