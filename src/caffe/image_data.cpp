#include <amnet/caffe/image_data.h>

#include "layer_import.h"

#include <algorithm>
#include <cmath>

namespace amnet {
namespace {

/// 8-bit pixels (height, width, channels).
struct Pixels {
  std::int64_t height, width, channels;
  std::vector<std::uint8_t> values;

  std::uint8_t at(std::int64_t y, std::int64_t x, std::int64_t c) const {
    return values[static_cast<std::size_t>((y * width + x) * channels + c)];
  }
};

Pixels grey_of(const Image& image) {
  Pixels grey{image.height, image.width, 1, {}};
  for (std::size_t i = 0; i + 2 < image.pixels.size(); i += 3) {
    const double luma = 0.114 * image.pixels[i] + 0.587 * image.pixels[i + 1] + 0.299 * image.pixels[i + 2];
    grey.values.push_back(static_cast<std::uint8_t>(std::lround(luma)));
  }
  return grey;
}

/// The two pixels that a pixel of the result lies between, and how far it is from the first.
struct Between {
  std::int64_t first, second;
  double share;
};
Between between(std::int64_t to, std::int64_t to_extent, std::int64_t from_extent) {
  const double ratio = static_cast<double>(from_extent) / static_cast<double>(to_extent);
  const double centre = std::clamp((static_cast<double>(to) + 0.5) * ratio - 0.5, 0.0, static_cast<double>(from_extent - 1));
  const auto first = static_cast<std::int64_t>(centre);
  return {first, std::min(first + 1, from_extent - 1), centre - static_cast<double>(first)};
}

Pixels resized(const Pixels& from, const Extents& size) {
  if (from.height == size.height && from.width == size.width) return from;
  Pixels to{size.height, size.width, from.channels, {}};
  for (std::int64_t y = 0; y < to.height; ++y) {
    const Between rows = between(y, to.height, from.height);
    for (std::int64_t x = 0; x < to.width; ++x) {
      const Between columns = between(x, to.width, from.width);
      for (std::int64_t c = 0; c < from.channels; ++c) {
        const auto row = [&](std::int64_t line) {
          return from.at(line, columns.first, c) * (1 - columns.share) + from.at(line, columns.second, c) * columns.share;
        };
        to.values.push_back(static_cast<std::uint8_t>(std::lround(row(rows.first) * (1 - rows.share) + row(rows.second) * rows.share)));
      }
    }
  }
  return to;
}

}  // namespace

CaffeImageRules caffe_image_rules(const CaffeInput& input, const std::string& file) {
  const std::string where = fmt::format("{}: the layer '{}' ({})", file, input.layer, input.type);
  const auto block = [&](const std::string& name) {
    const OptionValue* found = input.options.find(name);
    return caffe::Fields(found == nullptr ? Options() : std::get<Options>(found->value), where, name);
  };
  CaffeImageRules rules;
  caffe::Fields data = block("image_data_param"), transform = block("transform_param");
  const Extents size{data.integer("new_height", 0), data.integer("new_width", 0)};
  if ((size.height > 0) != (size.width > 0)) data.refuse("expected both new_height and new_width, or neither.");
  if (size.height > 0) rules.resize = size;
  rules.grey = !data.flag("is_color", true);
  if (transform.flag("force_gray", false)) rules.grey = true;
  if (transform.flag("force_color", false)) rules.grey = false;
  rules.crop = transform.integer("crop_size", 0);
  rules.mirror = transform.flag("mirror", false);
  rules.means = transform.numbers("mean_value");
  rules.scale = transform.number("scale", 1);
  if (transform.has("mean_file")) transform.refuse("a mean_file is not subtracted; give its mean as mean_value.");
  const std::size_t channels = rules.grey ? 1 : 3;
  if (rules.means.size() > 1 && rules.means.size() != channels) {
    transform.refuse(
        fmt::format("it has {} values of mean_value for {} channel(s); give one, or one for each.", rules.means.size(), channels));
  }
  return rules;
}

Tensor caffe_image(const Image& image, const CaffeImageRules& rules, const CaffeImageDraw& draw) {
  Pixels pixels = rules.grey ? grey_of(image) : Pixels{image.height, image.width, 3, image.pixels};
  if (rules.resize) pixels = resized(pixels, *rules.resize);
  const std::int64_t height = rules.crop > 0 ? rules.crop : pixels.height, width = rules.crop > 0 ? rules.crop : pixels.width;
  require(height <= pixels.height && width <= pixels.width, "[caffe image] the image is {}x{} but a square of {} is to be cut out.",
          pixels.height, pixels.width, rules.crop);
  const bool trains = draw.phase == Phase::train;
  const std::int64_t top = trains ? draw.top : (pixels.height - height) / 2, left = trains ? draw.left : (pixels.width - width) / 2;
  require(top >= 0 && left >= 0 && top + height <= pixels.height && left + width <= pixels.width,
          "[caffe image] the corner ({},{}) of a crop of {} lies outside an image of {}x{}.", top, left, rules.crop, pixels.height,
          pixels.width);
  const Tensor result({1, height, width, pixels.channels}, DType::f32);
  const auto values = result.data<float>();
  std::size_t at = 0;
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const std::int64_t column = left + (draw.mirrored ? width - 1 - x : x);
      for (std::int64_t c = 0; c < pixels.channels; ++c) {
        const double mean = rules.means.empty() ? 0 : rules.means.size() == 1 ? rules.means[0] : rules.means[static_cast<std::size_t>(c)];
        values[at++] = static_cast<float>((pixels.at(top + y, column, c) - mean) * rules.scale);
      }
    }
  }
  return result;
}

}  // namespace amnet
