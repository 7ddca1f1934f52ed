#include "catch.h"
#include "test_images.h"

#include <amnet/core/error.h>

using namespace amnet;
using namespace test_images;

namespace {

std::string refusal(const Bytes& file) {
  try {
    decode_image(file, ChannelOrder::rgb, "x.webp");
    return "";
  } catch (const DataError& error) {
    return error.what();
  }
}
bool refused_for(const Bytes& file, std::string_view reason) { return refusal(file).find(reason) != std::string::npos; }

/// picture(24, 20) by cwebp's encoder at quality 80, and the same with an alpha channel.
Bytes lossy() {
  return from_base64(
      "UklGRlYAAABXRUJQVlA4IEoAAAAQBQCdASoUABgAPm0qkUYkIqGhMBgMAIANiWcAADFgiCphVMIOfa3t/htc02U1z4JAAP7aXoXS7P+/6S6XNbH1GMtDnkQdXgAAAA==");
}
Bytes with_alpha() {
  return from_base64(
      "UklGRooAAABXRUJQVlA4WAoAAAAQAAAAEwAAFwAAQUxQSBcAAAABmYzof4BI22bzMP96T88iJmACqGWuBABWUDggTAAAANAEAJ0BKhQAGAA+bSqRRiQiIaEwGAwAgA2JZwAA"
      "I2xJSdGhy731Qx3gTI3hIa9AAP7ZWOLd+Ebvf3uWisAGXTXKIognKXitXW0hwAA=");
}

Bytes riff(const Bytes& body) {
  Bytes file = bytes_of("RIFF");
  append_little(file, static_cast<std::uint32_t>(body.size() + 4), 4);
  append(file, bytes_of("WEBP"));
  append(file, body);
  return file;
}
Bytes chunk(std::string_view name, const Bytes& content) {
  Bytes bytes = bytes_of(name);
  append_little(bytes, static_cast<std::uint32_t>(content.size()), 4);
  append(bytes, content);
  if (content.size() % 2 == 1) bytes.push_back(std::byte{0});
  return bytes;
}

}  // namespace

TEST_CASE("webp: a lossless picture comes back exactly, in the order asked for", "[image]") {
  const Image image = picture(5, 4);
  const Image rgb = decode_image(webp_of_5x4(), ChannelOrder::rgb, "x"), bgr = decode_image(webp_of_5x4(), ChannelOrder::bgr, "x");
  CHECK((rgb.height == 5 && rgb.width == 4 && rgb.pixels == image.pixels));
  for (std::size_t i = 0; i < rgb.pixels.size(); ++i) REQUIRE(rgb.pixels[i] == bgr.pixels[i / 3 * 3 + 2 - i % 3]);
}

TEST_CASE("webp: a lossy picture comes back nearly, and without its alpha", "[image]") {
  const Image image = picture(24, 20);
  for (const Bytes& file : {lossy(), with_alpha()}) {
    const Image back = decode_image(file, ChannelOrder::rgb, "x");
    REQUIRE((back.height == 24 && back.width == 20 && back.pixels.size() == image.pixels.size()));
    double difference = 0;
    for (std::size_t i = 0; i < back.pixels.size(); ++i) difference += std::abs(int{back.pixels[i]} - int{image.pixels[i]});
    CHECK(difference / static_cast<double>(back.pixels.size()) < 4);
  }
}

TEST_CASE("webp: every truncation is refused, and bit flips never crash", "[image]") {
  for (const Bytes& file : {webp_of_5x4(), lossy(), with_alpha()}) {
    REQUIRE(refusal(file).empty());
    for (std::size_t size = 0; size < file.size(); ++size)
      CHECK(!refusal({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)}).empty());
    for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
      Bytes damaged = file;
      damaged[bit / 8] ^= std::byte(1U << bit % 8);
      refusal(damaged);
    }
    Bytes longer = file;
    append(longer, bytes_of("behind the end"));
    CHECK(refusal(longer).empty());
  }
  // The container is complete, but the picture in it is not.
  const Bytes file = lossy();
  for (std::size_t lost = 4; lost + 30 < file.size(); lost += 2) {
    CHECK(!refusal(riff(chunk("VP8 ", {file.begin() + 20, file.end() - static_cast<std::ptrdiff_t>(lost)}))).empty());
  }
}

TEST_CASE("webp: animations, empty containers and huge pictures are refused by name", "[image]") {
  const Bytes plain = lossy();
  const Bytes picture_chunk(plain.begin() + 12, plain.end());
  const Bytes header{std::byte{2},  {}, {}, {}, std::byte{19}, {}, {},
                     std::byte{23}, {}, {}};  // it contains an animation; width - 1, height - 1
  Bytes animation = chunk("VP8X", header);
  append(animation, chunk("ANIM", Bytes(6)));
  Bytes frame(16);
  frame[6] = std::byte{19};
  frame[9] = std::byte{23};
  append(frame, picture_chunk);
  append(animation, chunk("ANMF", frame));
  CHECK(refused_for(riff(animation), "is an animated WebP"));
  Bytes flagged = chunk("VP8X", header);
  append(flagged, picture_chunk);
  CHECK(refused_for(riff(flagged), "animated"));
  CHECK(refused_for(riff(chunk("VP8X", Bytes(10))), "holds no picture"));
  CHECK(refused_for(riff({}), "holds no picture"));
  Bytes cut = picture_chunk;
  cut.resize(40);
  CHECK(refused_for(riff(cut), "ends inside a chunk"));

  Bytes huge = webp_of_5x4();
  huge[21] = huge[22] = huge[23] = std::byte{0xFF};  // 14 bits each of width - 1 and height - 1
  huge[24] = std::byte{0x0F};
  CHECK(refused_for(huge, "16384x16384"));
}
