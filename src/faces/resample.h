// A part of an image at another size, as the nets of a detector take it.
#pragma once

#include <amnet/core/image_format.h>
#include <amnet/data/image.h>

#include <span>
#include <vector>

namespace amnet {

/// A rectangle of an image; it may reach beyond it, where everything is black.
struct Region {
  std::int64_t left = 0, top = 0, width = 0, height = 0;
};

/// Resamples regions of images; one for each thread, because it keeps its memory.
class Resampler {
 public:
  /// Writes the region at the size (width, height), as (x, y, 3) with red, green and blue, each
  /// (value - 127.5) / 128: MTCNN's nets have x first. Where both sides become shorter, each pixel
  /// is the mean of the area that it covers; otherwise it is bilinear, with the region's last
  /// pixels beyond its edges.
  void resample(const Image& image, ChannelOrder order, const Region& region, std::int64_t width, std::int64_t height,
                std::span<float> out);

 private:
  /// The pixels that a pixel of the result is a weighted sum of.
  struct Taps {
    std::int64_t first = 0;
    std::size_t begin = 0, end = 0;  // of weights
  };
  struct Axis {
    std::vector<Taps> taps;
    std::vector<float> weights;
  };
  static void lay(std::int64_t from, std::int64_t to, bool area, Axis& axis);

  Axis across_, down_;
  std::vector<float> columns_;  // (x, y of the region, 3): the region at the new width
};

}  // namespace amnet
