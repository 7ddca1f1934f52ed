// Images as Caffe's ImageData layer gives them to a net: decoded, resized, cropped, mirrored, less
// the mean, times the scale. What is random there is an argument here.
//
//   const CaffeImageRules rules = caffe_image_rules(caffe.inputs[0], "net.prototxt");
//   Tensor image = caffe_image(read_image("faces/ann/01.jpg", ChannelOrder::bgr), rules, {.phase = Phase::test});   // (1,H,W,3)
#pragma once

#include <amnet/caffe/import.h>
#include <amnet/core/extents.h>
#include <amnet/data/image.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace amnet {

/// What such a layer says of its images.
struct CaffeImageRules {
  std::optional<Extents> resize = {};  ///< new_height and new_width
  std::int64_t crop = 0;               ///< side of the square that is cut out; 0: none
  bool mirror = false;                 ///< half of the images are mirrored, in both phases
  bool grey = false;                   ///< one channel
  /// none, one for all channels, or one for each (blue, green, red)
  std::vector<double> means = {};
  double scale = 1;
};

/// Of an input that a layer ImageData feeds. Throws DataError that begins with `file` for what is
/// not read: a mean_file, sizes of which only one is set.
CaffeImageRules caffe_image_rules(const CaffeInput& input, const std::string& file);

/// What is drawn for each image.
struct CaffeImageDraw {
  Phase phase = Phase::test;
  bool mirrored = false;
  /// the corner of the crop in training, in [0, side - crop]; a test takes the centre
  std::int64_t top = 0, left = 0;
};

/// (1,H,W,C) f32, C = 3 in the order blue, green, red, or 1. `image` has that order. Resizing is
/// bilinear between pixel centres, as OpenCV's, and grey is its luma, both to whole levels. Throws
/// UsageError for an image smaller than the crop, or a corner outside.
Tensor caffe_image(const Image& image, const CaffeImageRules& rules, const CaffeImageDraw& draw = {});

}  // namespace amnet
