// What a model expects of its input: the size, the channel order and the numbers that bytes become.
// It is stored with the model, so that evaluation and extraction read images as training did.
//
//   ImageFormat format{.height = 112, .width = 96, .order = ChannelOrder::rgb};
//   value = (pixel - format.mean) * format.scale;   // pixel in [0,255]
#pragma once

#include <amnet/core/error.h>
#include <amnet/core/named.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

namespace amnet {

/// The order of the three channels of a pixel in memory.
enum class ChannelOrder : unsigned char { bgr, rgb };
constexpr std::array<std::string_view, 2> names_of(ChannelOrder) { return {"bgr", "rgb"}; }

/// The defaults are the reference code's: 112 high, 96 wide, BGR, (pixel - 127.5) / 128.
struct ImageFormat {
  static constexpr std::int64_t max_side = 8192;

  std::int64_t height = 112;  // pixels
  std::int64_t width = 96;    // pixels
  ChannelOrder order = ChannelOrder::bgr;
  double mean = 127.5;  // in [0,255], subtracted from every channel
  double scale = 1.0 / 128;

  friend bool operator==(const ImageFormat&, const ImageFormat&) = default;
};

/// Throws UsageError unless the sides are in [1,8192], mean is finite and scale is finite and not 0.
inline void check_image_format(const ImageFormat& format) {
  require(format.height >= 1 && format.height <= ImageFormat::max_side && format.width >= 1 && format.width <= ImageFormat::max_side,
          "[image format] expected a height and a width from 1 to {} but got {}x{}.", std::int64_t{ImageFormat::max_side}, format.height,
          format.width);
  require(std::isfinite(format.mean), "[image format] expected a finite mean but got {}.", format.mean);
  require(std::isfinite(format.scale) && format.scale != 0, "[image format] expected a finite scale other than 0 but got {}.",
          format.scale);
}

/// "112x96" for 112 high and 96 wide.
inline std::string size_text(const ImageFormat& format) { return fmt::format("{}x{}", format.height, format.width); }

/// Reads "HEIGHTxWIDTH" into the format's size; UsageError for anything else.
inline void parse_size(std::string_view text, ImageFormat& format) {
  ImageFormat parsed = format;
  const char* end = text.data() + text.size();
  const auto height = std::from_chars(text.data(), end, parsed.height);
  const bool cross = height.ec == std::errc() && height.ptr != end && *height.ptr == 'x';
  const auto width = cross ? std::from_chars(height.ptr + 1, end, parsed.width) : height;
  require(cross && width.ec == std::errc() && width.ptr == end, "[image format] expected HEIGHTxWIDTH, such as 112x96, but got `{}`.",
          text);
  check_image_format(parsed);
  format = parsed;
}

}  // namespace amnet
