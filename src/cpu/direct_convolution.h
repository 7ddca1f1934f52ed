// Convolution by the products of its definition, for any kernel, stride, padding and groups: usable
// for every shape, and the only one that is exact on integers. Shapes are checked by the caller
// (conv2d.cpp).
#pragma once

#include "direct_tiles.h"
#include "epilogue.h"

#include <amnet/kernels/conv2d.h>

namespace amnet {

inline Window forward_window(const Conv2dGeometry& geometry, const Shape& x, const Shape& y) {
  return {.source_h = x[1],
          .source_w = x[2],
          .target_h = y[1],
          .target_w = y[2],
          .taps_h = geometry.kernel.height,
          .taps_w = geometry.kernel.width,
          .stride_h = geometry.stride.height,
          .stride_w = geometry.stride.width,
          .origin_h = -geometry.pad.height,
          .origin_w = -geometry.pad.width};
}

/// `y`: the shape of the output; its elements are the epilogue's.
template <class T>
void direct_forward(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& x, const Tensor& w, const Shape& y,
                    const Epilogue<T>& epilogue);
void direct_backward_data(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& dy, const Tensor& w, const Gradient& dx);
void direct_backward_weights(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& x, const Tensor& dy, const Gradient& dw);

}  // namespace amnet
