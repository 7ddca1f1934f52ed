// Convolution by the products of its definition, for any kernel, stride, padding and groups: what every shape can take, and the
// only one that is exact on integers. Shapes are checked by the caller (conv2d.cpp).
#pragma once

#include "convolution_tiles.h"
#include "epilogue.h"

#include <amnet/kernels/conv2d.h>

namespace amnet {

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

/// `y`: the shape of the output; its elements are the epilogue's.
template <class T>
void direct_forward(Cpu& cpu, const Conv2dOptions& options, const Tensor& x, const Tensor& w, const Shape& y, const Epilogue<T>& epilogue);
void direct_backward_data(Cpu& cpu, const Conv2dOptions& options, const Tensor& dy, const Tensor& w, const Gradient& dx);
void direct_backward_weights(Cpu& cpu, const Conv2dOptions& options, const Tensor& x, const Tensor& dy, const Gradient& dw);

}  // namespace amnet
