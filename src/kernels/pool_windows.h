// Which pixels a window of a pooling holds, and which windows hold a pixel: for the CPU and for the
// kernels of a GPU.
#pragma once

#include <amnet/kernels/pool.h>

#include "core/host_device.h"

namespace amnet {

struct PoolRange {
  std::int64_t begin, end;
};

/// One axis of the windows.
struct PoolAxis {
  std::int64_t extent, pooled, kernel, stride, pad;

  /// The part of window `at` that lies in the image.
  AMNET_HOST_DEVICE constexpr PoolRange window(std::int64_t at) const {
    const std::int64_t begin = at * stride - pad, end = begin + kernel;
    return {begin < 0 ? 0 : begin, end < extent ? end : extent};
  }
  /// The part that lies in the image and its padding, which an average divides by.
  AMNET_HOST_DEVICE constexpr std::int64_t padded_length(std::int64_t at) const {
    const std::int64_t begin = at * stride - pad, end = begin + kernel;
    return (end < extent + pad ? end : extent + pad) - begin;
  }
  /// The windows that hold position `at`.
  AMNET_HOST_DEVICE constexpr PoolRange windows_over(std::int64_t at) const {
    // windows that start at or before this end before `at`
    const std::int64_t past = at + pad - kernel;
    const std::int64_t end = (at + pad) / stride + 1;
    return {past < 0 ? 0 : past / stride + 1, end < pooled ? end : pooled};
  }
};

struct PoolGeometry {
  std::int64_t samples, channels;
  PoolAxis rows, columns;
};

inline PoolGeometry pool_geometry(const PoolWindow& window, const Shape& image, const Shape& pooled) {
  require(window.kind != PoolKind::stochastic, "[pool] a stochastic pooling is computed by stochastic_pool_forward, on a CPU.");
  const Shape expected = window.output_shape(image);
  require(pooled == expected, "[pool] expected the pooled side of {} as {} but got {}.", image, expected, pooled);
  return {image[0],
          image[3],
          {image[1], pooled[1], window.kernel.height, window.stride.height, window.pad.height},
          {image[2], pooled[2], window.kernel.width, window.stride.width, window.pad.width}};
}

}  // namespace amnet
