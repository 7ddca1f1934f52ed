// What flattening asks of its arguments, in every backend. Throws UsageError.
#pragma once

#include <amnet/kernels/flatten.h>

namespace amnet {

/// Pixels and channels of the images of a batch; a row is one pixel.
struct FlattenedImages {
  std::int64_t samples, pixels, channels;

  /// (N,H,W,C), or (N,D), which has one pixel.
  explicit FlattenedImages(const Shape& shape) {
    require(shape.rank() == 4 || shape.rank() == 2, "[flatten] expected (N,H,W,C) or (N,D) but got {}.", shape);
    samples = shape[0];
    pixels = shape.rank() == 4 ? shape[1] * shape[2] : 1;
    channels = shape[shape.rank() - 1];
  }
};

}  // namespace amnet
