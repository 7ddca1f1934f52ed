// Changes of a training image that leave the person who is on it the same: one affine warp, colour,
// a lower resolution, an erased rectangle. Mirroring is not here: the device does it (image_input).
// What is drawn for an image is a function of (seed, round, image) alone, so that neither the
// threads that decode nor a resume changes a byte. Pixels are computed in integers, which another
// backend could repeat exactly.
//
//   const Augmentation augmentation = augmentation_of(Augment::light);
//   const AugmentationDraw draw = draw_augmentation(augmentation, {.seed = 1, .round = 0, .image = 12}, image);
//   augment(image, ChannelOrder::bgr, draw);
#pragma once

#include <amnet/core/named.h>
#include <amnet/data/image.h>

#include <cstdint>

namespace amnet {

/// The named sets: light has a mild warp and mild colours, strong has every step, further.
enum class Augment : unsigned char { none, light, strong };
constexpr std::array<std::string_view, 3> names_of(Augment) { return {"none", "light", "strong"}; }

/// How far the steps go, and what share of the images each of them changes, in [0,1]. The defaults
/// change nothing.
struct Augmentation {
  double warp = 0;      ///< share of the images that are shifted, turned and zoomed
  double shift = 0;     ///< of the height and of the width, each way, in [0,1]
  double rotation = 0;  ///< degrees each way, in [0,10]
  double zoom = 1;      ///< the factor is in [1/zoom, zoom], with a uniform logarithm; in [1,2]

  double colour = 0;      ///< share of the images whose colours change, by three factors
  double brightness = 0;  ///< the factor is in [1-brightness, 1+brightness]; in [0,1]
  double contrast = 0;    ///< likewise
  double saturation = 0;  ///< likewise
  double grey = 0;        ///< share of the images that become grey

  double resample = 0;  ///< share of the images that are made smaller and enlarged again
  /// the smaller image has sides in [smallest_side, 1] of its own; in (0,1]
  double smallest_side = 1;

  double erase = 0;  ///< share of the images of which a rectangle is erased
  /// the rectangle has an area in [smallest_area, largest_area] of the image
  double smallest_area = 0;
  double largest_area = 0;  ///< in [smallest_area, 1]

  friend bool operator==(const Augmentation&, const Augmentation&) = default;
};

Augmentation augmentation_of(Augment set);

/// Throws UsageError naming the first field that is out of range.
void check_augmentation(const Augmentation& augmentation);

/// Which draw: image `image` of a set when it comes for time `round`, both >= 0.
struct AugmentationKey {
  std::uint64_t seed = 0;
  std::int64_t round = 0;
  std::int64_t image = 0;
};

/// What is done to one image. The defaults do nothing.
struct AugmentationDraw {
  // the content moves by so many pixels, turns by so many radians (clockwise) and grows by a factor
  double down = 0, right = 0;
  double rotation = 0;
  double zoom = 1;
  double brightness = 1, contrast = 1, saturation = 1;  ///< factors; a saturation of 0 is grey
  /// the smaller image; 0: the resolution is kept
  std::int64_t small_height = 0, small_width = 0;
  /// the erased rectangle; 0: none
  std::int64_t top = 0, left = 0, erased_height = 0, erased_width = 0;
  std::uint64_t noise = 0;  ///< key of the values that it is filled with

  friend bool operator==(const AugmentationDraw&, const AugmentationDraw&) = default;
};

/// Draws for an image of this size. The rectangle is that of Zhong, Zheng, Kang, Li and Yang,
/// "Random erasing data augmentation" (AAAI 2020), algorithm 1, with a ratio of its sides in
/// [0.3, 1/0.3]; but sides are cut at those of the image and the place is drawn where it fits,
/// instead of drawing again.
AugmentationDraw draw_augmentation(const Augmentation& augmentation, const AugmentationKey& key, const Image& image);

/// Applies a draw, in this order:
/// 1. the warp, about the middle of the image. Each pixel is the bilinear value (in 1/64 of a
///    pixel) at source = middle + R(-rotation) (pixel - middle - shift) / zoom; beyond the image
///    its nearest pixel counts. That pads with the edge and not with one colour, whose border would
///    be sharp, the same in all images and in none that is verified.
/// 2. brightness b, contrast c and saturation s, as
///        value' = b (c (s value + (1-s) Y) + (1-c) mean(Y)),  Y = 0.299 R + 0.587 G + 0.114 B,
///    cut at [0,255]: a blend with the pixel's own grey, then with the mean grey of the image, then
///    with black (Haeberli, Voorhies, "Image processing by linear interpolation and extrapolation",
///    1994). Y is the luma of ITU-R BT.601-7, section 2.5.1. (Values of sRGB are used as they are.)
/// 3. the smaller image, and back to the size, by a tent filter each (src/data/resize.h).
/// 4. the rectangle, filled with uniform bytes (variant RE-R of the paper).
void augment(Image& image, ChannelOrder order, const AugmentationDraw& draw);

}  // namespace amnet
