// Binary PGM and PPM, the formats of old face sets. They are read here and not by stb_image, which
// ignores truncation and the largest value. The format: netpbm, pgm(5) and ppm(5).
#include "codecs.h"

namespace amnet::codecs {
namespace {

/// Reads the numbers of a PNM header, with comments and white space between them.
class HeaderReader {
 public:
  explicit HeaderReader(Bytes file) : file_(file) {}

  std::int64_t number() {
    skip_space_and_comments();
    std::int64_t value = 0;
    int digits = 0;
    for (; peek() >= '0' && peek() <= '9'; ++at_, ++digits) {
      expect(digits < 9, "is a damaged PGM or PPM (a number of its header is too long).");
      value = value * 10 + (peek() - '0');
    }
    expect(digits > 0, "is a truncated or damaged PGM or PPM (its header is incomplete).");
    return value;
  }
  /// Where the pixels begin: after the single white space that ends the header.
  std::size_t pixels_at() {
    expect(is_space(peek()), "is a truncated or damaged PGM or PPM (its header is incomplete).");
    return at_ + 1;
  }

 private:
  int peek() const { return at_ < file_.size() ? static_cast<int>(byte(file_, at_)) : -1; }
  static bool is_space(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
  void skip_space_and_comments() {
    while (is_space(peek()) || peek() == '#') {
      if (peek() == '#') {
        while (peek() != '\n' && peek() != -1) ++at_;
      } else {
        ++at_;
      }
    }
  }

  Bytes file_;
  std::size_t at_ = 2;  // after "P5" or "P6"
};

}  // namespace

Image decode_pnm(Bytes file, ChannelOrder order) {
  const bool grey = byte(file, 1) == '5';
  HeaderReader header(file);
  const std::int64_t width = header.number();
  const std::int64_t height = header.number();
  const std::int64_t largest = header.number();
  const std::size_t begin = header.pixels_at();
  expect_size(height, width);
  expect(largest >= 1, "is a damaged PGM or PPM (its largest value is 0).");
  expect(largest <= 255, "is a PGM or PPM of 16 bits a channel; convert it to 8.");
  const std::size_t pixels = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  const std::size_t need = pixels * (grey ? 1 : 3);
  expect(file.size() - begin >= need, "is a truncated PGM or PPM ({} bytes of {}).", file.size(), begin + need);

  const auto level = [&](std::size_t index) {
    const auto value = static_cast<std::int64_t>(byte(file, begin + index));
    expect(value <= largest, "is a damaged PGM or PPM (a pixel of {} where {} is the largest).", value, largest);
    return static_cast<std::uint8_t>((value * 255 + largest / 2) / largest);
  };
  Image image{height, width, std::vector<std::uint8_t>(pixels * 3)};
  for (std::size_t i = 0; i < pixels; ++i) {
    for (std::size_t channel = 0; channel < 3; ++channel) {
      const std::size_t target = order == ChannelOrder::bgr ? 2 - channel : channel;
      image.pixels[i * 3 + target] = level(grey ? i : i * 3 + channel);
    }
  }
  return image;
}

}  // namespace amnet::codecs
