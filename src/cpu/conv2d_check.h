// What the three passes of a convolution check, and the window of the forward pass.
#pragma once

#include "convolution_tiles.h"

#include <amnet/kernels/conv2d.h>

namespace amnet {

/// Throws UsageError unless x (N,H,W,C), w (O,kh,kw,C/groups) and y (N,OH,OW,O) belong together.
void check_conv2d(const Conv2dOptions& options, const Tensor& x, const Tensor& w, const Tensor& y);

inline Window forward_window(const Conv2dOptions& options, const Shape& x, const Shape& y) {
  return {.source_h = x[1],
          .source_w = x[2],
          .target_h = y[1],
          .target_w = y[2],
          .taps_h = options.kernel_h,
          .taps_w = options.kernel_w,
          .stride_h = options.stride_h,
          .stride_w = options.stride_w,
          .origin_h = -options.pad_h,
          .origin_w = -options.pad_w};
}

}  // namespace amnet
