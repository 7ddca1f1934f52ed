#include <amnet/data/augment.h>

#include "catch.h"
#include "data/resize.h"
#include "test_images.h"

#include <algorithm>
#include <cmath>
#include <numbers>

using namespace amnet;
using test_images::picture;

namespace {

int byte_of(const Image& image, std::int64_t y, std::int64_t x, std::int64_t c) {
  return image.pixels[static_cast<std::size_t>((y * image.width + x) * 3 + c)];
}

/// The same with the nearest pixel of the image.
int edge_byte(const Image& image, std::int64_t y, std::int64_t x, std::int64_t c) {
  return byte_of(image, std::clamp<std::int64_t>(y, 0, image.height - 1), std::clamp<std::int64_t>(x, 0, image.width - 1), c);
}

Image augmented(const Image& image, const AugmentationDraw& draw, ChannelOrder order = ChannelOrder::bgr) {
  Image changed = image;
  augment(changed, order, draw);
  REQUIRE((changed.height == image.height && changed.width == image.width && changed.pixels.size() == image.pixels.size()));
  return changed;
}

/// Checks every byte of `image` against expected(y, x, c), which may differ by `most`.
template <class Expected>
void check_bytes(const Image& image, double most, Expected&& expected) {
  for (std::int64_t y = 0; y < image.height; ++y) {
    for (std::int64_t x = 0; x < image.width; ++x) {
      for (std::int64_t c = 0; c < 3; ++c) {
        INFO(y << " " << x << " " << c);
        REQUIRE(std::abs(byte_of(image, y, x, c) - expected(y, x, c)) <= most);
      }
    }
  }
}

/// One pixel along a line of `from` that becomes `to` long: a weighted mean of value(j), in
/// doubles.
template <class Value>
double tent_mean(std::int64_t from, std::int64_t to, std::int64_t i, Value&& value) {
  const double step = static_cast<double>(from) / static_cast<double>(to), reach = std::max(1.0, step);
  double sum = 0, weights = 0;
  for (std::int64_t j = 0; j < from; ++j) {
    const double weight = std::max(0.0, 1 - std::abs(static_cast<double>(j) - ((static_cast<double>(i) + 0.5) * step - 0.5)) / reach);
    sum += weight * value(j);
    weights += weight;
  }
  return sum / weights;
}

constexpr Image of_size(std::int64_t height, std::int64_t width) { return {.height = height, .width = width, .pixels = {}}; }

}  // namespace

TEST_CASE("augment: a draw is a function of seed, round and image", "[augment]") {
  const Augmentation strong = augmentation_of(Augment::strong);
  const Image image = of_size(112, 96);
  const AugmentationDraw draw = draw_augmentation(strong, {.seed = 3, .round = 2, .image = 77}, image);
  CHECK(draw == draw_augmentation(strong, {.seed = 3, .round = 2, .image = 77}, image));
  int same = 0;
  for (std::int64_t other = 0; other < 100; ++other) {
    same += draw_augmentation(strong, {.seed = 4 + static_cast<std::uint64_t>(other), .round = 2, .image = 77}, image) == draw ? 1 : 0;
    same += draw_augmentation(strong, {.seed = 3, .round = 3 + other, .image = 77}, image) == draw ? 1 : 0;
    same += draw_augmentation(strong, {.seed = 3, .round = 2, .image = 78 + other}, image) == draw ? 1 : 0;
  }
  CHECK(same == 0);
}

TEST_CASE("augment: draws stay in their bounds, reach them, and come as often as they should", "[augment]") {
  const Image image = of_size(112, 96);
  for (const Augment set : {Augment::light, Augment::strong}) {
    const Augmentation augmentation = augmentation_of(set);
    check_augmentation(augmentation);
    const double turn = augmentation.rotation * std::numbers::pi / 180;
    double down = 0, right = 0, rotation = 0, zoom = 0, brightness = 0, contrast = 0, saturation = 0, small = 112, area = 0;
    int warped = 0, coloured = 0, grey = 0, resampled = 0, erased = 0;
    constexpr int draws = 100'000;
    for (std::int64_t n = 0; n < draws; ++n) {
      const AugmentationDraw draw = draw_augmentation(augmentation, {.seed = 1, .round = n % 7, .image = n}, image);
      warped += draw.zoom != 1 ? 1 : 0;
      coloured += draw.brightness != 1 ? 1 : 0;
      grey += draw.saturation == 0 ? 1 : 0;
      resampled += draw.small_height > 0 ? 1 : 0;
      erased += draw.erased_height > 0 ? 1 : 0;
      down = std::max(down, std::abs(draw.down));
      right = std::max(right, std::abs(draw.right));
      rotation = std::max(rotation, std::abs(draw.rotation));
      zoom = std::max(zoom, std::abs(std::log(draw.zoom)));
      brightness = std::max(brightness, std::abs(draw.brightness - 1));
      contrast = std::max(contrast, std::abs(draw.contrast - 1));
      if (draw.saturation != 0) saturation = std::max(saturation, std::abs(draw.saturation - 1));
      if (draw.small_height > 0) {
        small = std::min(small, static_cast<double>(draw.small_height));
        REQUIRE((draw.small_height <= 112 && draw.small_width <= 96));
        REQUIRE(std::abs(static_cast<double>(draw.small_height) / 112 - static_cast<double>(draw.small_width) / 96) < 0.01);
      }
      if (draw.erased_height > 0) {
        REQUIRE((draw.top >= 0 && draw.left >= 0 && draw.erased_width >= 1));
        REQUIRE((draw.top + draw.erased_height <= 112 && draw.left + draw.erased_width <= 96));
        const double ratio = static_cast<double>(draw.erased_height) / static_cast<double>(draw.erased_width);
        REQUIRE((ratio > 0.27 && ratio < 3.6));
        area = std::max(area, static_cast<double>(draw.erased_height * draw.erased_width) / (112 * 96));
      }
    }
    const auto reaches = [](double found, double bound) { CHECK((found <= bound * (1 + 1e-12) && found >= bound * 0.999)); };
    reaches(down, 112 * augmentation.shift);
    reaches(right, 96 * augmentation.shift);
    reaches(rotation, turn);
    CHECK(rotation <= 10 * std::numbers::pi / 180);
    reaches(zoom, std::log(augmentation.zoom));
    reaches(brightness, augmentation.brightness);
    reaches(contrast, augmentation.contrast);
    reaches(saturation, augmentation.saturation);
    CHECK(small == std::round(112 * augmentation.smallest_side));
    CHECK((area <= augmentation.largest_area * 1.02 && area >= augmentation.largest_area * 0.98));
    const auto share = [](int count, double expected) {
      // 5 standard deviations
      CHECK(std::abs(count - draws * expected) <= 5 * std::sqrt(draws * expected * (1 - expected)));
    };
    share(warped, augmentation.warp);
    share(coloured, augmentation.colour);
    share(grey, augmentation.grey);
    share(resampled, augmentation.resample);
    share(erased, augmentation.erase);
  }
}

TEST_CASE("augment: none leaves an image byte for byte", "[augment]") {
  const Image image = picture(31, 17);
  for (std::int64_t n = 0; n < 100; ++n) {
    const AugmentationDraw draw = draw_augmentation(augmentation_of(Augment::none), {.seed = 1, .round = 0, .image = n}, image);
    REQUIRE(draw == AugmentationDraw());
    REQUIRE(augmented(image, draw).pixels == image.pixels);
  }
}

TEST_CASE("augment: a shift by whole pixels moves them, and repeats the edge", "[augment]") {
  const Image image = picture(9, 7);
  const Image moved = augmented(image, {.down = 2, .right = -3});
  check_bytes(moved, 0, [&](auto y, auto x, auto c) { return edge_byte(image, y - 2, x + 3, c); });
}

TEST_CASE("augment: a quarter turn is clockwise", "[augment]") {
  const Image image = picture(8, 8);
  const Image turned = augmented(image, {.rotation = std::numbers::pi / 2});
  check_bytes(turned, 0, [&](auto y, auto x, auto c) { return byte_of(image, 7 - x, y, c); });
}

TEST_CASE("augment: a zoom enlarges about the middle", "[augment]") {
  const Image image = picture(9, 9);
  const Image zoomed = augmented(image, {.zoom = 2});
  check_bytes(zoomed, 0.5, [&](auto y, auto x, auto c) {
    const std::int64_t top = y / 2 + 2, left = x / 2 + 2;  // odd rows and columns lie between two
    return (byte_of(image, top, left, c) + byte_of(image, top + y % 2, left, c) + byte_of(image, top, left + x % 2, c) +
            byte_of(image, top + y % 2, left + x % 2, c)) /
           4.0;
  });
}

TEST_CASE("augment: a warp is one bilinear sample of its source", "[augment]") {
  const Image image = picture(41, 30);
  const AugmentationDraw draw{.down = 1.7, .right = -3.2, .rotation = -0.15, .zoom = 1.13};
  const double cosine = std::cos(draw.rotation), sine = std::sin(draw.rotation);
  check_bytes(augmented(image, draw), 1, [&](auto y, auto x, auto c) {
    const double right = static_cast<double>(x) - 14.5 - draw.right, down = static_cast<double>(y) - 20 - draw.down;
    // in 1/64 of a pixel
    const auto place = [](double at, double last) { return std::clamp(std::floor(at * 64 + 0.5) / 64, 0.0, last); };
    const double column = place(14.5 + (cosine * right + sine * down) / draw.zoom, 29);
    const double row = place(20 + (cosine * down - sine * right) / draw.zoom, 40);
    const auto left = static_cast<std::int64_t>(column), top = static_cast<std::int64_t>(row);
    const double h = column - static_cast<double>(left), v = row - static_cast<double>(top);
    return (1 - v) * ((1 - h) * edge_byte(image, top, left, c) + h * edge_byte(image, top, left + 1, c)) +
           v * ((1 - h) * edge_byte(image, top + 1, left, c) + h * edge_byte(image, top + 1, left + 1, c));
  });
}

TEST_CASE("augment: brightness, contrast and saturation follow their formula", "[augment]") {
  const Image image = picture(23, 19);
  for (const ChannelOrder order : {ChannelOrder::bgr, ChannelOrder::rgb}) {
    const std::int64_t red = order == ChannelOrder::rgb ? 0 : 2;
    const auto luma = [&](std::int64_t y, std::int64_t x) {
      return 0.299 * byte_of(image, y, x, red) + 0.587 * byte_of(image, y, x, 1) + 0.114 * byte_of(image, y, x, 2 - red);
    };
    double mean = 0;
    for (std::int64_t y = 0; y < 23; ++y) {
      for (std::int64_t x = 0; x < 19; ++x) mean += luma(y, x) / (23 * 19);
    }
    for (const AugmentationDraw& draw :
         {AugmentationDraw{.brightness = 1.4, .contrast = 0.6, .saturation = 1.4},
          AugmentationDraw{.brightness = 0.6, .contrast = 1.4, .saturation = 0.6}, AugmentationDraw{.brightness = 0.7},
          AugmentationDraw{.contrast = 1.3}, AugmentationDraw{.saturation = 0}}) {
      check_bytes(augmented(image, draw, order), 1, [&](auto y, auto x, auto c) {
        const double coloured = draw.saturation * byte_of(image, y, x, c) + (1 - draw.saturation) * luma(y, x);
        return std::clamp(draw.brightness * (draw.contrast * coloured + (1 - draw.contrast) * mean), 0.0, 255.0);
      });
    }
  }
  const Image one{.height = 1, .width = 2, .pixels = {200, 100, 50, 200, 100, 50}};
  CHECK(augmented(one, {.brightness = 0.5}).pixels == std::vector<std::uint8_t>{100, 50, 25, 100, 50, 25});
  // 0.299 * 50 + 0.587 * 100 + 0.114 * 200 = 96.45
  CHECK(augmented(one, {.saturation = 0}).pixels == std::vector<std::uint8_t>(6, 96));
  CHECK(augmented(one, {.contrast = 0}).pixels == std::vector<std::uint8_t>(6, 96));
  CHECK(augmented(one, {.brightness = 2}).pixels == std::vector<std::uint8_t>{255, 200, 100, 255, 200, 100});
}

TEST_CASE("augment: a lower resolution is a tent filter down and one up", "[augment]") {
  const Image image = picture(28, 21);
  CHECK(resized(image, 28, 21).pixels == image.pixels);
  const auto twin = [](const Image& from, std::int64_t height, std::int64_t width, std::int64_t y, std::int64_t x, std::int64_t c) {
    return tent_mean(from.height, height, y, [&](std::int64_t row) {
      return tent_mean(from.width, width, x, [&](std::int64_t column) { return static_cast<double>(byte_of(from, row, column, c)); });
    });
  };
  for (const auto& [height, width] : {std::pair<std::int64_t, std::int64_t>(7, 5), {20, 15}, {56, 40}, {1, 1}}) {
    const Image other = resized(image, height, width);
    REQUIRE((other.height == height && other.width == width));
    const auto h = height, w = width;
    check_bytes(other, 1, [&](auto y, auto x, auto c) { return twin(image, h, w, y, x, c); });
  }
  const Image small = resized(image, 9, 7);
  check_bytes(augmented(image, {.small_height = 9, .small_width = 7}), 1,
              [&](auto y, auto x, auto c) { return twin(small, 28, 21, y, x, c); });
  // weights 3, 3, 1 of 7
  const Image four{.height = 1, .width = 4, .pixels = {70, 0, 7, 70, 0, 7, 70, 7, 0, 0, 0, 0}};
  CHECK(resized(four, 1, 2).pixels == std::vector<std::uint8_t>{70, 1, 6, 40, 3, 1});
  CHECK(resized({.height = 2, .width = 2, .pixels = std::vector<std::uint8_t>(12, 255)}, 64, 3).pixels ==
        std::vector<std::uint8_t>(64 * 3 * 3, 255));
}

TEST_CASE("augment: a rectangle is erased with random bytes, and nothing else", "[augment]") {
  const Image image{.height = 50, .width = 40, .pixels = std::vector<std::uint8_t>(50 * 40 * 3, 7)};
  const AugmentationDraw draw{.top = 5, .left = 10, .erased_height = 30, .erased_width = 21, .noise = 9};
  const Image erased = augmented(image, draw);
  CHECK(erased.pixels == augmented(image, draw).pixels);
  AugmentationDraw other = draw;
  other.noise = 10;
  CHECK(erased.pixels != augmented(image, other).pixels);
  std::vector<int> counts(4);
  for (std::int64_t y = 0; y < 50; ++y) {
    for (std::int64_t x = 0; x < 40; ++x) {
      const bool inside = y >= 5 && y < 35 && x >= 10 && x < 31;
      for (std::int64_t c = 0; c < 3; ++c) {
        if (inside) {
          ++counts[static_cast<std::size_t>(byte_of(erased, y, x, c) / 64)];
        } else {
          REQUIRE(byte_of(erased, y, x, c) == 7);
        }
      }
    }
  }
  for (const int count : counts) CHECK(std::abs(count - 30 * 21 * 3 / 4.0) < 5 * std::sqrt(30 * 21 * 3 * 0.25 * 0.75));
}

TEST_CASE("augment: the steps come in their order", "[augment]") {
  const Image image = picture(20, 16);
  const AugmentationDraw warp{.right = 2.5, .rotation = 0.1}, colour{.contrast = 1.3, .saturation = 0.5};
  const AugmentationDraw coarse{.small_height = 10, .small_width = 8};
  const AugmentationDraw rectangle{.top = 3, .left = 2, .erased_height = 6, .erased_width = 5, .noise = 4};
  const AugmentationDraw all{.right = 2.5,
                             .rotation = 0.1,
                             .contrast = 1.3,
                             .saturation = 0.5,
                             .small_height = 10,
                             .small_width = 8,
                             .top = 3,
                             .left = 2,
                             .erased_height = 6,
                             .erased_width = 5,
                             .noise = 4};
  CHECK(augmented(image, all).pixels == augmented(augmented(augmented(augmented(image, warp), colour), coarse), rectangle).pixels);
}

TEST_CASE("augment: images of one pixel and of one line", "[augment]") {
  for (const auto& [height, width] : {std::pair<std::int64_t, std::int64_t>(1, 1), {1, 50}, {50, 1}, {2, 3}}) {
    const Image image = picture(height, width);
    for (std::int64_t n = 0; n < 300; ++n) {
      const AugmentationDraw draw = draw_augmentation(augmentation_of(Augment::strong), {.seed = 1, .round = 0, .image = n}, image);
      augmented(image, draw);
    }
  }
}

TEST_CASE("augment: what is out of range is refused", "[augment]") {
  Augmentation augmentation = augmentation_of(Augment::strong);
  augmentation.rotation = 11;
  CHECK_THROWS_WITH(check_augmentation(augmentation), "[augment] .rotation: expected a number from 0 to 10 but got 11.");
  augmentation = {.largest_area = 0.1};
  augmentation.smallest_area = 0.2;
  CHECK_THROWS_AS(check_augmentation(augmentation), UsageError);
  augmentation = {.zoom = std::nan("")};
  CHECK_THROWS_AS(check_augmentation(augmentation), UsageError);
}
