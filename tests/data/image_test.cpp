#include <amnet/data/image.h>

#include "catch.h"
#include "test_jpeg.h"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <limits>

using namespace amnet;
using namespace test_images;

namespace {

/// The error message of decoding a file; "" when it decodes.
std::string refusal(const Bytes& file) {
  try {
    decode_image(file, ChannelOrder::rgb, "list.txt:7: x.jpg");
    return "";
  } catch (const DataError& error) {
    const std::string what = error.what();
    CHECK(what.starts_with("list.txt:7: x.jpg "));
    CHECK(what.ends_with("."));
    return what;
  }
}
bool refused_for(const Bytes& file, std::string_view reason) { return refusal(file).find(reason) != std::string::npos; }

Bytes bmp(std::int32_t height, std::int32_t width, int bits, const Bytes& palette, const Bytes& rows) {
  Bytes file = bytes_of("BM");
  const auto offset = static_cast<std::uint32_t>(54 + palette.size());
  append_little(file, offset + static_cast<std::uint32_t>(rows.size()), 4);
  append_little(file, 0, 4);
  append_little(file, offset, 4);
  append_little(file, 40, 4);
  append_little(file, static_cast<std::uint32_t>(width), 4);
  append_little(file, static_cast<std::uint32_t>(height), 4);
  append_little(file, 1, 2);
  append_little(file, static_cast<std::uint32_t>(bits), 2);
  for (int i = 0; i < 6; ++i) append_little(file, 0, 4);
  append(file, palette);
  append(file, rows);
  return file;
}

Bytes filled(std::size_t count, int value) { return Bytes(count, static_cast<std::byte>(value)); }
Bytes prefix(const Bytes& file, std::size_t size) { return {file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)}; }

/// Flips `flips` bits of a file, one at a time, and decodes: the only allowed error is DataError.
void survive_bit_flips(const Bytes& file, std::uint64_t flips) {
  const Random random(3);
  for (std::uint64_t i = 0; i < flips; ++i) {
    Bytes damaged = file;
    damaged[random.below(2 * i, damaged.size())] ^= std::byte(1U << random.below(2 * i + 1, 8));
    refusal(damaged);
  }
}

}  // namespace

TEST_CASE("image: a JPEG comes back nearly as it was, in the order asked for", "[image]") {
  const Image image = picture(112, 96);
  const Bytes file = encode_jpeg(image, ChannelOrder::rgb, 95);
  const Image rgb = decode_image(file, ChannelOrder::rgb, "x");
  const Image bgr = decode_image(file, ChannelOrder::bgr, "x");
  REQUIRE((rgb.height == 112 && rgb.width == 96 && rgb.pixels.size() == 112 * 96 * 3));
  double difference = 0;
  for (std::size_t i = 0; i < rgb.pixels.size(); ++i) {
    difference += std::abs(int{rgb.pixels[i]} - int{image.pixels[i]});
    REQUIRE(rgb.pixels[i] == bgr.pixels[i / 3 * 3 + 2 - i % 3]);
  }
  CHECK(difference / static_cast<double>(rgb.pixels.size()) < 4);
  CHECK(encode_jpeg(image, ChannelOrder::rgb, 95) == file);
  CHECK_THROWS_AS(encode_jpeg(image, ChannelOrder::rgb, 0), UsageError);
  CHECK_THROWS_AS(encode_jpeg({2, 2, {1, 2, 3}}, ChannelOrder::rgb, 90), UsageError);
}

TEST_CASE("image: PNG, BMP, PGM and PPM come back exactly", "[image]") {
  const Image image = picture(5, 6);
  CHECK(decode_image(png_of(image), ChannelOrder::rgb, "x").pixels == image.pixels);

  Bytes ppm = bytes_of("P6\n# a comment\n6 5\n255\n");
  Bytes rows;
  for (std::int64_t y = 4; y >= 0; --y) {
    for (std::int64_t x = 0; x < 6; ++x) {
      for (std::int64_t c = 2; c >= 0; --c) rows.push_back(std::byte{image.pixels[static_cast<std::size_t>((y * 6 + x) * 3 + c)]});
    }
    append_little(rows, 0, 2);  // rows are padded to 4 bytes
  }
  for (const std::uint8_t value : image.pixels) ppm.push_back(std::byte{value});
  CHECK(decode_image(ppm, ChannelOrder::rgb, "x").pixels == image.pixels);
  CHECK(decode_image(bmp(5, 6, 24, {}, rows), ChannelOrder::rgb, "x").pixels == image.pixels);

  const Image bgr = decode_image(ppm, ChannelOrder::bgr, "x");
  CHECK((bgr.pixels[0] == image.pixels[2] && bgr.pixels[1] == image.pixels[1] && bgr.pixels[2] == image.pixels[0]));
  CHECK(decode_image(png_of(image), ChannelOrder::bgr, "x").pixels == bgr.pixels);

  Bytes half = bytes_of("P5 2 1 100\n");
  append(half, {std::byte{50}, std::byte{100}});
  CHECK(decode_image(half, ChannelOrder::rgb, "x").pixels == std::vector<std::uint8_t>{128, 128, 128, 255, 255, 255});
}

TEST_CASE("image: grey, palette and alpha become three channels", "[image]") {
  const Image grey = decode_image(png({.height = 1, .width = 2, .colour = 0}, {std::byte{7}, std::byte{200}}), ChannelOrder::rgb, "x");
  CHECK(grey.pixels == std::vector<std::uint8_t>{7, 7, 7, 200, 200, 200});
  const Image one_bit = decode_image(png({.height = 1, .width = 2, .depth = 1, .colour = 0}, {std::byte{0x40}}), ChannelOrder::rgb, "x");
  CHECK(one_bit.pixels == std::vector<std::uint8_t>{0, 0, 0, 255, 255, 255});
  const Image alpha = decode_image(png({.height = 1, .width = 1, .colour = 6}, {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{0}}),
                                   ChannelOrder::rgb, "x");
  CHECK(alpha.pixels == std::vector<std::uint8_t>{1, 2, 3});  // the alpha is dropped, not composed
  const Bytes palette{std::byte{9}, std::byte{8}, std::byte{7}, std::byte{6}, std::byte{5}, std::byte{4}};
  // The third pixel is outside the palette: it becomes black, not data from the stack.
  const Image indexed = decode_image(
      png({.height = 1, .width = 3, .colour = 3, .palette = palette}, {std::byte{1}, std::byte{0}, std::byte{77}}), ChannelOrder::rgb, "x");
  CHECK(indexed.pixels == std::vector<std::uint8_t>{6, 5, 4, 9, 8, 7, 0, 0, 0});
  CHECK(refused_for(png({.height = 1, .width = 1, .colour = 3}, {std::byte{0}}), "palette is missing"));

  const Image grey_jpeg = decode_image(jpeg({.height = 16, .width = 16, .colours = JCS_GRAYSCALE}), ChannelOrder::bgr, "x");
  REQUIRE(grey_jpeg.pixels.size() == 16 * 16 * 3);
  for (std::size_t i = 0; i < grey_jpeg.pixels.size(); i += 3) {
    REQUIRE((grey_jpeg.pixels[i] == grey_jpeg.pixels[i + 1] && grey_jpeg.pixels[i] == grey_jpeg.pixels[i + 2]));
  }
  const Image grey_bmp =
      decode_image(bmp(1, 2, 8, filled(256 * 4, 33), {std::byte{0}, std::byte{255}, std::byte{0}, std::byte{0}}), ChannelOrder::rgb, "x");
  CHECK(grey_bmp.pixels == std::vector<std::uint8_t>(6, 33));
  CHECK(refused_for(bmp(1, 2, 8, filled(4 * 4, 33), {std::byte{0}, std::byte{4}, std::byte{0}, std::byte{0}}), "past its palette"));
  CHECK(refusal(jpeg({.width = 16, .progressive = true})).empty());
}

TEST_CASE("image: what could only be guessed at is refused by name", "[image]") {
  Bytes inks = jpeg({.height = 16, .width = 16, .colours = JCS_CMYK, .whole_chroma = true});
  CHECK(refused_for(inks, "CMYK"));  // as YCCK
  const Bytes adobe = bytes_of("Adobe");
  const auto marker = std::search(inks.begin(), inks.end(), adobe.begin(), adobe.end());
  REQUIRE(inks.end() - marker > 11);
  REQUIRE(marker[11] == std::byte{2});
  marker[11] = std::byte{0};  // the marker's colour transform: none, so plain CMYK
  CHECK(refused_for(inks, "CMYK"));
  CHECK(refused_for(png({.height = 1, .width = 1, .depth = 16, .colour = 0}, filled(2, 1)), "16 bits"));
  CHECK(refused_for(png({.height = 1, .width = 1, .depth = 16}, filled(6, 1)), "16 bits"));
  CHECK(refused_for(bytes_of(std::string_view("P5 1 1 65535\n\0\1", 15)), "16 bits"));
  CHECK(refused_for(png({.height = 1, .width = 1, .extra = png_chunk("acTL", filled(8, 0))}, filled(3, 1)), "animated"));
  CHECK(refused_for(png({.height = 1, .width = 1, .extra = png_chunk("CgBI", filled(4, 0))}, filled(3, 1)), "critical"));
  CHECK(refused_for({}, "empty"));
  CHECK(refused_for(bytes_of("x"), "not an image"));
  CHECK(refused_for(bytes_of("<!DOCTYPE html><html>404</html>"), "HTML"));
  CHECK(refused_for(bytes_of("ann/01.jpg 3\nann/02.jpg 3\n"), "not an image"));
  CHECK(refused_for(bytes_of("P6 2 2 0\n............"), "largest value is 0"));
  CHECK(refused_for(bmp(4, 4, 16, {}, filled(64, 0)), "16 bits"));
}

TEST_CASE("image: formats that amnet does not read are told by their first bytes", "[image]") {
  struct Case {
    std::string_view bytes, name;
  };
  constexpr Case pictures[] = {
      {{"GIF89a\1\1", 8}, "a GIF file"},
      {{"II*\0\x08\0\0\0", 8}, "a TIFF file"},
      {{"MM\0*\0\0\0\x08", 8}, "a TIFF file"},
      {{"MM\0+\0\x08\0\0", 8}, "a TIFF file"},
      {{"II*\0\x10\0\0\0CR\2\0", 12}, "a camera's raw file (CR2)"},
      {"FUJIFILMCCD-RAW 0201", "a camera's raw file (RAF)"},
      {{"\0\0\0\x1C"
        "ftypavif\0\0\0\0avifmif1miaf",
        28},
       "an AVIF file"},
      {{"\0\0\0\x1C"
        "ftypavis\0\0\0\0avifmif1miaf",
        28},
       "an AVIF file"},
      {{"\0\0\0\x1C"
        "ftypmif1\0\0\0\0mif1miafavif",
        28},
       "an AVIF file"},
      {{"\0\0\0\x18"
        "ftypheic\0\0\0\0mif1heic",
        24},
       "a HEIC file"},
      {{"\0\0\0\x18"
        "ftypmif1\0\0\0\0mif1heix",
        24},
       "a HEIC file"},
      {{"\0\0\0\x14"
        "ftypmif1\0\0\0\0mif1",
        20},
       "a HEIF file"},
      {{"\0\0\0\x18"
        "ftypcrx \0\0\0\1crx isom",
        24},
       "a camera's raw file (CR3)"},
      {"\xFF\x0A\x11\x22", "a JPEG XL file"},
      {{"\0\0\0\x0CJXL \r\n\x87\n", 12}, "a JPEG XL file"},
      {{"\0\0\0\x0CjP  \r\n\x87\n", 12}, "a JPEG 2000 file"},
      {"\xFF\x4F\xFF\x51", "a JPEG 2000 file"},
      {{"8BPS\0\1", 6}, "a PSD file"},
      {"P3 1 1 255 1 2 3", "a text or bitmap PNM file"},
      {"%PDF-1.7", "a PDF file"},
      {"<svg xmlns='x'/>", "an SVG drawing"},
      {"\xEF\xBB\xBF<?xml version='1.0'?>\n<svg/>", "an SVG drawing"},
  };
  for (const Case& picture : pictures) {
    INFO(picture.name);
    CHECK(refused_for(bytes_of(picture.bytes),
                      fmt::format("is {}, which amnet does not read; convert it to JPEG, PNG or WebP.", picture.name)));
    for (std::size_t size = 0; size < picture.bytes.size(); ++size) CHECK(!refusal(bytes_of(picture.bytes.substr(0, size))).empty());
  }
  CHECK(refused_for(bytes_of({"\0\0\0\x18"
                              "ftypisom\0\0\0\0isommp42",
                              24}),
                    "is a video"));
  CHECK(refused_for(bytes_of({"RIFF\x10\0\0\0AVI LIST", 16}), "is a video"));
  CHECK(refused_for(bytes_of("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "git lfs pull"));
  CHECK(refused_for(bytes_of("PK\x03\x04"), "unpack it"));
  CHECK(refused_for(bytes_of("\n  <html><svg/></html>"), "HTML"));
}

TEST_CASE("image: a huge header is refused before memory is taken", "[image]") {
  Bytes large = encode_jpeg(picture(16, 16), ChannelOrder::rgb, 90);
  bool found = false;
  for (std::size_t i = 0; i + 9 < large.size() && !found; ++i) {
    // the frame header
    if (large[i] != std::byte{0xFF} || large[i + 1] != std::byte{0xC0}) continue;
    for (const std::size_t at : {i + 5, i + 7}) {
      large[at] = std::byte{60000 >> 8};
      large[at + 1] = std::byte{60000 & 0xFF};
    }
    found = true;
  }
  REQUIRE(found);
  const auto before = std::chrono::steady_clock::now();
  CHECK(refused_for(large, "60000x60000"));
  CHECK(refused_for(png({.height = 60000, .width = 60000}, {}), "60000x60000"));
  CHECK(refused_for(bmp(60000, 60000, 24, {}, {}), "60000x60000"));
  CHECK(refused_for(bmp(std::numeric_limits<std::int32_t>::min(), 1, 24, {}, {}), "more than"));
  CHECK(refused_for(bytes_of("P6 60000 60000 255\n"), "60000x60000"));
  CHECK(refused_for(bytes_of("P6 99999999999999999999 2 255\n"), "too long"));
  CHECK(refused_for(png({.height = 0, .width = 5}, {}), "empty image"));
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::milliseconds(500));
}

TEST_CASE("image: every truncation of every kind is flagged", "[image]") {
  const Image image = picture(24, 20);
  Bytes rows;
  for (const std::uint8_t value : image.pixels) rows.push_back(std::byte{value});
  Bytes ppm = bytes_of("P6\n20 24\n255\n");
  append(ppm, rows);
  const std::vector<Bytes> files{encode_jpeg(image, ChannelOrder::rgb, 90),
                                 jpeg({.progressive = true}),
                                 jpeg({.colours = JCS_GRAYSCALE}),
                                 png_of(image),
                                 bmp(24, 20, 24, {}, rows),
                                 ppm};
  for (const Bytes& file : files) {
    REQUIRE(refusal(file).empty());
    std::size_t missed = 0;
    for (std::size_t size = 0; size < file.size(); ++size) missed += refusal(prefix(file, size)).empty() ? 1 : 0;
    CHECK(missed == 0);
  }
}

TEST_CASE("image: bit flips never crash, and a PNG's checksums find them all", "[image]") {
  const Image image = picture(24, 20);
  survive_bit_flips(encode_jpeg(image, ChannelOrder::rgb, 90), 3000);
  survive_bit_flips(jpeg({.progressive = true}), 2000);
  survive_bit_flips(bmp(24, 20, 8, filled(1024, 5), filled(24 * 20, 1)), 2000);
  survive_bit_flips(bmp(24, 20, 32, {}, filled(24 * 80, 1)), 2000);
  Bytes ppm = bytes_of("P5\n20 24\n255\n");
  append(ppm, filled(480, 255));
  survive_bit_flips(ppm, 1000);

  const Bytes file = png_of(image);
  const Random random(4);
  std::size_t missed = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    Bytes damaged = file;
    damaged[random.below(2 * i, damaged.size())] ^= std::byte(1U << random.below(2 * i + 1, 8));
    missed += refusal(damaged).empty() ? 1 : 0;
  }
  CHECK(missed == 0);

  // The same inside the chunks, with correct checksums: these files reach the PNG decoder.
  Bytes raw;
  for (std::size_t i = 0; i < 24 * 61; ++i) raw.push_back(static_cast<std::byte>(i % 61 == 0 ? i / 61 % 5 : random.below(i, 256)));
  const Bytes data = zlib_stored(raw);
  for (std::uint64_t i = 0; i < 3000; ++i) {
    Bytes header;
    append_big32(header, 20);
    append_big32(header, 24);
    append(header, {std::byte{8}, std::byte{2}, std::byte{0}, std::byte{0}, std::byte{0}});
    Bytes damaged = data;
    Bytes& target = i % 4 == 0 ? header : damaged;
    // Mostly near the beginning, where the structure is.
    const std::size_t reach = i % 2 == 0 ? std::min<std::size_t>(16, target.size()) : target.size();
    target[random.below(2 * i, reach)] ^= std::byte(1U << random.below(2 * i + 1, 8));
    Bytes whole = bytes_of("\x89PNG\r\n\x1A\n");
    append(whole, png_chunk("IHDR", header));
    append(whole, png_chunk("IDAT", damaged));
    append(whole, png_chunk("IEND", {}));
    refusal(whole);
  }
}

TEST_CASE("image: a handle that saw an error does not spoil the next image", "[image]") {
  const Bytes file = encode_jpeg(picture(24, 20), ChannelOrder::rgb, 90);
  for (std::size_t size = 2; size < file.size(); size += 7) {
    CHECK(!refusal(prefix(file, size)).empty());
    REQUIRE(refusal(file).empty());
  }
}

TEST_CASE("image: a JPEG without tables does not take those of the image before it", "[image]") {
  const Bytes file = encode_jpeg(picture(24, 20), ChannelOrder::rgb, 90);
  const Bytes coarse = encode_jpeg(picture(24, 20), ChannelOrder::rgb, 5);
  const auto without = [](Bytes bytes, std::byte marker) {
    for (std::size_t at = 2; at + 4 < bytes.size() && bytes[at] == std::byte{0xFF} && bytes[at + 1] != std::byte{0xDA};) {
      const std::size_t next = at + 2 + (std::to_integer<std::size_t>(bytes[at + 2]) << 8 | std::to_integer<std::size_t>(bytes[at + 3]));
      if (bytes[at + 1] == marker) {
        bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.begin() + static_cast<std::ptrdiff_t>(next));
      } else {
        at = next;
      }
    }
    return bytes;
  };
  const Bytes no_quantisation = without(file, std::byte{0xDB});
  // which means the standard ones, as in Motion JPEG
  const Bytes no_huffman = without(file, std::byte{0xC4});
  REQUIRE((no_quantisation.size() < file.size() && no_huffman.size() < file.size()));
  const Image expected = decode_image(file, ChannelOrder::rgb, "x");
  for (const Bytes& before : {file, coarse, no_quantisation}) {
    refusal(before);
    CHECK(refused_for(no_quantisation, "JPEG"));
    refusal(before);
    CHECK(decode_image(no_huffman, ChannelOrder::rgb, "x").pixels == expected.pixels);
  }
}

TEST_CASE("image: a buffer that is used again holds the last file alone", "[image]") {
  const TemporaryFolder folder;
  Bytes buffer;
  for (const std::string text : {"some bytes", "more bytes than before", "few"}) {
    read_image_file(folder.write("a", text), "a", buffer);
    CHECK(buffer == bytes_of(text));
  }
  CHECK_THROWS_AS(read_image_file(folder.write("a", ""), "a", buffer), DataError);
}

TEST_CASE("image: files are named when they cannot be read", "[image]") {
  const TemporaryFolder folder;
  const auto says = [&](const std::filesystem::path& file) {
    try {
      read_image(file, ChannelOrder::rgb);
      return std::string("nothing");
    } catch (const DataError& error) {
      CHECK(std::string(error.what()).starts_with(file.string()));
      return std::string(error.what());
    }
  };
  CHECK(says(folder.path() / "missing.jpg").find("is not there") != std::string::npos);
  CHECK(says(folder.path()).find("is a folder") != std::string::npos);
  CHECK(says(folder.write("zero.jpg", "")).find("is empty") != std::string::npos);
  CHECK(says("/dev/zero").find("not a regular file") != std::string::npos);
  const auto pipe = folder.path() / "pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  // and it does not wait for a writer
  CHECK(says(pipe).find("not a regular file") != std::string::npos);
  CHECK(says(folder.write("file", "x") / "a.jpg").find("is not there") != std::string::npos);
  // a PNG according to its bytes
  CHECK(read_image(folder.write("a.jpg", png_of(picture(3, 4))), ChannelOrder::rgb).width == 4);
}

TEST_CASE("image: a format's size is read and checked", "[image]") {
  ImageFormat format;
  parse_size("64x48", format);
  CHECK((format.height == 64 && format.width == 48 && size_text(format) == "64x48"));
  for (const char* bad : {"", "64", "64x", "x48", "64x48x3", "0x48", "64x-1", "64 x 48", "9999x9999", "99999999999999999999x1"}) {
    CHECK_THROWS_AS(parse_size(bad, format), UsageError);
  }
  CHECK(format.height == 64);
  CHECK(find_named<ChannelOrder>("rgb") == ChannelOrder::rgb);
  CHECK_FALSE(find_named<ChannelOrder>("gbr"));
  CHECK_THROWS_AS(check_image_format({.scale = 0}), UsageError);
  CHECK_THROWS_AS(check_image_format({.mean = std::nan("")}), UsageError);
}
