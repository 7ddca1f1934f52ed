#include "test_jpeg.h"

#include <amnet/core/error.h>

#include "catch.h"

using namespace amnet;
using namespace test_images;

namespace {

Image decoded(const Bytes& file) { return decode_image(file, ChannelOrder::rgb, "x.jpg"); }

std::string refusal(const Bytes& file) {
  try {
    decoded(file);
    return "";
  } catch (const DataError& error) {
    return error.what();
  }
}

/// Each way in which the data of a picture may be stored in a file.
std::vector<Bytes> kinds() {
  return {jpeg({}),
          jpeg({.progressive = true}),
          jpeg({.restart_interval = 2}),
          jpeg({.progressive = true, .restart_interval = 2}),
          jpeg({.colours = JCS_GRAYSCALE}),
          jpeg({.height = 112, .width = 96}),
          jpeg({.height = 112, .width = 96, .progressive = true}),
          jpeg({.whole_chroma = true})};
}

std::vector<JpegSegment> with_marker(const Bytes& file, unsigned marker) {
  std::vector<JpegSegment> found;
  for (const JpegSegment& segment : jpeg_segments(file)) {
    if (segment.marker == marker) found.push_back(segment);
  }
  return found;
}

}  // namespace

TEST_CASE("jpeg: bytes between segments and before the end are told of, and the pixels are those of the file without them", "[image]") {
  for (const Bytes& file : kinds()) {
    const Image whole = decoded(file);
    CHECK(whole.warnings == 0);
    for (const JpegSegment& segment : jpeg_segments(file)) {
      for (const Bytes& extra :
           {Bytes(1), Bytes(3), Bytes(5000), bytes_of("made by hand, and saved by hand"), Bytes{std::byte{0xFF}, std::byte{0}}}) {
        const Image image = decoded(with_bytes_at(file, segment.begin, extra));
        REQUIRE((image.pixels == whole.pixels));
        // libjpeg reports nothing about bytes that it has read ahead at the end of a scan; these
        // are fewer than nine.
        REQUIRE((image.warnings == 1 || (image.warnings == 0 && extra.size() < 9)));
      }
      // Any number of FF may stand before a marker.
      CHECK(decoded(with_bytes_at(file, segment.begin, Bytes(4, std::byte{0xFF}))).warnings == 0);
    }
    CHECK(decoded(with_bytes_at(file, file.size(), bytes_of("behind the end"))).pixels == whole.pixels);
  }
}

TEST_CASE("jpeg: headers that a decoder wonders at leave the pixels whole", "[image]") {
  const Bytes file = jpeg({});
  const Image whole = decoded(file);
  const JpegSegment jfif = with_marker(file, 0xE0).at(0), scan = with_marker(file, 0xDA).at(0);

  Bytes version = file;
  version[jfif.begin + 9] = std::byte{3};
  CHECK((decoded(version).pixels == whole.pixels && decoded(version).warnings == 1));

  Bytes transform = file;
  transform.erase(transform.begin() + static_cast<std::ptrdiff_t>(jfif.begin), transform.begin() + static_cast<std::ptrdiff_t>(jfif.end));
  transform = with_bytes_at(transform, 2, jpeg_segment(0xEE, bytes_of({"Adobe\0\x64\0\0\0\0\x07", 12})));
  CHECK((decoded(transform).pixels == whole.pixels && decoded(transform).warnings == 1));

  Bytes spectrum = file;
  spectrum[scan.begin + 11] = std::byte{0};  // the last coefficient of a scan that has all
  spectrum[scan.begin + 12] = std::byte{0};
  CHECK((decoded(spectrum).pixels == whole.pixels && decoded(spectrum).warnings == 1));
}

TEST_CASE("jpeg: a scan that was cut is refused wherever the cut is", "[image]") {
  std::vector<Bytes> files = kinds();
  // the decoder must treat bytes after the end as more of the same data
  files.push_back(jpeg({.arithmetic = true}));
  for (const Bytes& file : files) {
    const std::size_t first = with_marker(file, 0xDA).front().begin, last = with_marker(file, 0xDA).back().end - 16;
    const Bytes behind{std::byte{0}, std::byte{0}, std::byte{0}};
    for (std::size_t cut = 0; cut < 100; ++cut) {
      const auto end = file.begin() + static_cast<std::ptrdiff_t>(first + (last - first) * cut / 99);
      CHECK(!refusal({file.begin(), end}).empty());
      // A copy that was truncated earlier: its own faults do not hide this one.
      const Bytes odd = with_bytes_at({file.begin(), end}, 2, behind);
      CHECK(!refusal(odd).empty());
    }
  }
}

TEST_CASE("jpeg: damage inside a scan is refused", "[image]") {
  const Bytes file = jpeg({.height = 112, .width = 96, .restart_interval = 6});
  const JpegSegment scan = with_marker(file, 0xDA).at(0);
  const auto marker = [&](unsigned second) {
    for (std::size_t i = scan.begin + 14; i < scan.end; ++i) {
      if (file[i] == std::byte{0xFF} && file[i + 1] == static_cast<std::byte>(second)) return i;
    }
    return std::size_t{0};
  };
  const std::size_t third = marker(0xD2), fourth = marker(0xD3);
  REQUIRE((third != 0 && fourth > third + 8));
  const auto without = [&](std::size_t begin, std::size_t end) {
    Bytes damaged = file;
    damaged.erase(damaged.begin() + static_cast<std::ptrdiff_t>(begin), damaged.begin() + static_cast<std::ptrdiff_t>(end));
    return damaged;
  };
  CHECK(refusal(without(third, fourth)).find("instead of RST2") != std::string::npos);
  CHECK(refusal(without(fourth - 6, fourth)).find("premature end of data segment") != std::string::npos);
  CHECK(refusal(without(scan.end - 20, scan.end)).find("premature end of data segment") != std::string::npos);
  // No encoder writes bytes there: they remain where codes were misread.
  CHECK(refusal(with_bytes_at(file, third, Bytes(30))).find("extraneous bytes before marker 0xd2") != std::string::npos);
}

TEST_CASE("jpeg: kinds that nobody trains on are refused by name", "[image]") {
  Bytes file = jpeg({});
  const std::size_t frame = with_marker(file, 0xC0).at(0).begin;
  const auto as = [&](unsigned marker, unsigned bits) {
    Bytes other = file;
    other[frame + 1] = static_cast<std::byte>(marker);
    other[frame + 4] = static_cast<std::byte>(bits);
    return refusal(other);
  };
  CHECK(as(0xC3, 8).find("a lossless JPEG") != std::string::npos);
  CHECK(as(0xC5, 8).find("a hierarchical JPEG") != std::string::npos);
  CHECK(as(0xC1, 12).find("12 bits a channel") != std::string::npos);
}

TEST_CASE("jpeg: a file of hundreds of scans is refused before they are decoded", "[image]") {
  const Bytes file = jpeg({.progressive = true});
  const JpegSegment scan = with_marker(file, 0xDA).at(0);
  Bytes scans;
  for (int i = 0; i < 600; ++i)
    scans.insert(scans.end(), file.begin() + static_cast<std::ptrdiff_t>(scan.begin), file.begin() + static_cast<std::ptrdiff_t>(scan.end));
  CHECK(!refusal(with_bytes_at(file, scan.begin, scans)).empty());
}
