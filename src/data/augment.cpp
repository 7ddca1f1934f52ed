#include <amnet/core/error.h>
#include <amnet/core/random.h>
#include <amnet/data/augment.h>

#include "lanes.h"
#include "resize.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace amnet {
namespace {

/// The numbers of one image, one after the other.
class Draws {
 public:
  explicit Draws(const AugmentationKey& key)
      : random_(key.seed, stream_of("augment"), static_cast<std::uint64_t>(key.round)),
        next_(static_cast<std::uint64_t>(key.image) * most_draws) {}

  double uniform(double low, double high) { return random_.uniform(next_++, low, high); }
  bool happens(double share) { return random_.uniform(next_++) < share; }
  std::int64_t below(std::int64_t bound) { return static_cast<std::int64_t>(random_.below(next_++, static_cast<std::uint64_t>(bound))); }
  std::uint64_t bits() { return random_.bits(next_++); }

 private:
  static constexpr std::uint64_t most_draws = 32;  // of an image

  Random random_;
  std::uint64_t next_;
};

/// A side of a smaller image or of a rectangle.
std::int64_t side_of(double length, std::int64_t longest) { return std::clamp<std::int64_t>(std::llround(length), 1, longest); }

void draw_rectangle(const Augmentation& augmentation, const Image& image, Draws& draws, AugmentationDraw& draw) {
  const double area = draws.uniform(augmentation.smallest_area, augmentation.largest_area);
  const double ratio = draws.uniform(0.3, 1 / 0.3);
  const double pixels = area * static_cast<double>(image.height * image.width);
  draw.erased_height = side_of(std::sqrt(pixels * ratio), image.height);
  draw.erased_width = side_of(std::sqrt(pixels / ratio), image.width);
  draw.top = draws.below(image.height - draw.erased_height + 1);
  draw.left = draws.below(image.width - draw.erased_width + 1);
  draw.noise = draws.bits();
}

/// A place in the source, on one axis: its pixel, the next one, and the share of that.
struct Place {
  std::int64_t near, far;
  std::uint32_t share;  // in 1/one
};

// the weights of four neighbours are products of two shares
constexpr int share_bits = weight_bits / 2;
constexpr std::uint32_t one = 1 << share_bits;
constexpr int place_bits = 32;  // of the fraction of a coordinate: exact over any side

Place place_at(std::int64_t coordinate, std::int64_t side) {
  constexpr int dropped = place_bits - share_bits;
  const std::int64_t last = side - 1;
  const std::int64_t at = std::clamp<std::int64_t>((coordinate + (std::int64_t{1} << (dropped - 1))) >> dropped, 0, last << share_bits);
  return {at >> share_bits, std::min((at >> share_bits) + 1, last), static_cast<std::uint32_t>(at) % one};
}

void warp(Image& image, const AugmentationDraw& draw) {
  const auto fixed = [](double value) { return static_cast<std::int64_t>(std::llround(std::ldexp(value, place_bits))); };
  const double middle_x = static_cast<double>(image.width - 1) / 2, middle_y = static_cast<double>(image.height - 1) / 2;
  const double along = std::cos(draw.rotation) / draw.zoom, across = std::sin(draw.rotation) / draw.zoom;
  // where the first pixel lies, from the middle that the content has moved to
  const double x = -middle_x - draw.right, y = -middle_y - draw.down;
  std::int64_t row_x = fixed(middle_x + along * x + across * y), row_y = fixed(middle_y - across * x + along * y);
  const std::int64_t step = fixed(along), slant = fixed(across);

  std::vector<std::uint64_t> source(image.pixels.size() / 3);  // lanes
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = lanes_of(image.pixels.data() + 3 * i);
  std::uint8_t* to = image.pixels.data();
  const std::int64_t height = image.height, width = image.width;
  for (std::int64_t row = 0; row < height; ++row, row_x += slant, row_y += step) {
    for (std::int64_t column = 0; column < width; ++column, to += 3) {
      const Place h = place_at(row_x + column * step, width), v = place_at(row_y - column * slant, height);
      const std::uint64_t *upper = source.data() + v.near * width, *lower = source.data() + v.far * width;
      put_mean((upper[h.near] * (one - h.share) + upper[h.far] * h.share) * (one - v.share) +
                   (lower[h.near] * (one - h.share) + lower[h.far] * h.share) * v.share,
               to);
    }
  }
}

/// Y of ITU-R BT.601 in [0,255]: the weights in 1/65536, with the sum 65536.
std::int32_t luma(std::int32_t red, std::int32_t green, std::int32_t blue) {
  return (19595 * red + 38470 * green + 7471 * blue + (1 << 15)) >> 16;
}

void change_colours(Image& image, ChannelOrder order, const AugmentationDraw& draw) {
  const std::size_t count = image.pixels.size() / 3;
  const std::size_t red = order == ChannelOrder::rgb ? 0 : 2, blue = 2 - red;
  std::uint8_t* const pixels = image.pixels.data();
  std::vector<std::int32_t> greys(count);
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    greys[i] = luma(pixels[3 * i + red], pixels[3 * i + 1], pixels[3 * i + blue]);
    sum += greys[i];
  }
  const auto fixed = [](double factor) { return static_cast<std::int32_t>(std::lround(factor * (1 << 16))); };
  const double gain = draw.brightness * draw.contrast;
  const double mean = static_cast<double>(sum) / static_cast<double>(count);
  const std::int32_t of_value = fixed(gain * draw.saturation), of_grey = fixed(gain * (1 - draw.saturation));
  const std::int32_t constant = fixed(draw.brightness * (1 - draw.contrast) * mean) + (1 << 15);
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t grey = of_grey * greys[i] + constant;
    for (std::size_t c = 0; c < 3; ++c) {
      pixels[3 * i + c] = static_cast<std::uint8_t>(std::clamp((of_value * pixels[3 * i + c] + grey) >> 16, 0, 255));
    }
  }
}

void erase(Image& image, const AugmentationDraw& draw) {
  const Random random(draw.noise);
  std::uint64_t drawn = 0, bits = 0;
  for (std::int64_t row = draw.top; row < draw.top + draw.erased_height; ++row) {
    std::uint8_t* bytes = image.pixels.data() + (row * image.width + draw.left) * 3;
    for (std::int64_t i = 0; i < draw.erased_width * 3; ++i, ++drawn) {
      if (drawn % 8 == 0) bits = random.bits(drawn / 8);
      bytes[i] = static_cast<std::uint8_t>(bits >> (8 * (drawn % 8)));
    }
  }
}

}  // namespace

Augmentation augmentation_of(Augment set) {
  switch (set) {
    case Augment::none: return {};
    case Augment::light:
      return {
          .warp = 0.5, .shift = 0.04, .rotation = 5, .zoom = 1.05, .colour = 0.5, .brightness = 0.2, .contrast = 0.2, .saturation = 0.2};
    case Augment::strong:
      return {.warp = 0.8,
              .shift = 0.08,
              .rotation = 10,
              .zoom = 1.15,
              .colour = 0.8,
              .brightness = 0.4,
              .contrast = 0.4,
              .saturation = 0.4,
              .grey = 0.1,
              .resample = 0.3,
              .smallest_side = 0.25,
              .erase = 0.3,
              .smallest_area = 0.02,
              .largest_area = 0.2};
  }
  return {};
}

void check_augmentation(const Augmentation& augmentation) {
  const auto in_range = [](std::string_view field, double value, double low, double high) {
    require(value >= low && value <= high, "[augment] {}: expected a number from {} to {} but got {}.", field, low, high, value);
  };
  in_range(".warp", augmentation.warp, 0, 1);
  in_range(".shift", augmentation.shift, 0, 1);
  in_range(".rotation", augmentation.rotation, 0, 10);
  in_range(".zoom", augmentation.zoom, 1, 2);
  in_range(".colour", augmentation.colour, 0, 1);
  in_range(".brightness", augmentation.brightness, 0, 1);
  in_range(".contrast", augmentation.contrast, 0, 1);
  in_range(".saturation", augmentation.saturation, 0, 1);
  in_range(".grey", augmentation.grey, 0, 1);
  in_range(".resample", augmentation.resample, 0, 1);
  in_range(".smallest_side", augmentation.smallest_side, 1e-3, 1);
  in_range(".erase", augmentation.erase, 0, 1);
  in_range(".smallest_area", augmentation.smallest_area, 0, 1);
  in_range(".largest_area", augmentation.largest_area, augmentation.smallest_area, 1);
}

AugmentationDraw draw_augmentation(const Augmentation& augmentation, const AugmentationKey& key, const Image& image) {
  Draws draws(key);
  AugmentationDraw draw;
  if (draws.happens(augmentation.warp)) {
    const double shift = augmentation.shift, turn = augmentation.rotation * std::numbers::pi / 180, zoom = std::log(augmentation.zoom);
    draw.down = static_cast<double>(image.height) * draws.uniform(-shift, shift);
    draw.right = static_cast<double>(image.width) * draws.uniform(-shift, shift);
    draw.rotation = draws.uniform(-turn, turn);
    draw.zoom = std::exp(draws.uniform(-zoom, zoom));
  }
  if (draws.happens(augmentation.colour)) {
    draw.brightness = draws.uniform(1 - augmentation.brightness, 1 + augmentation.brightness);
    draw.contrast = draws.uniform(1 - augmentation.contrast, 1 + augmentation.contrast);
    draw.saturation = draws.uniform(1 - augmentation.saturation, 1 + augmentation.saturation);
  }
  if (draws.happens(augmentation.grey)) draw.saturation = 0;
  if (draws.happens(augmentation.resample)) {
    const double side = draws.uniform(augmentation.smallest_side, 1);
    draw.small_height = side_of(side * static_cast<double>(image.height), image.height);
    draw.small_width = side_of(side * static_cast<double>(image.width), image.width);
  }
  if (draws.happens(augmentation.erase)) draw_rectangle(augmentation, image, draws, draw);
  return draw;
}

void augment(Image& image, ChannelOrder order, const AugmentationDraw& draw) {
  if (draw.down != 0 || draw.right != 0 || draw.rotation != 0 || draw.zoom != 1) warp(image, draw);
  if (draw.brightness != 1 || draw.contrast != 1 || draw.saturation != 1) change_colours(image, order, draw);
  if (draw.small_height > 0) {
    Image restored = resized(resized(image, draw.small_height, draw.small_width), image.height, image.width);
    image.pixels = std::move(restored.pixels);
  }
  erase(image, draw);
}

}  // namespace amnet
