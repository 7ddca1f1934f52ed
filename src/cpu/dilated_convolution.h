// Convolution with a dilation: the sum of one 1x1 convolution for each tap of the kernel, whose
// padding is less by what lies between the first tap and this one. Each is a direct convolution.
// Shapes are checked by the caller (conv2d.cpp).
#pragma once

#include "direct_convolution.h"

namespace amnet {

/// Whether the taps of the kernel are apart.
inline bool is_dilated(const Conv2dGeometry& geometry) {
  return (geometry.kernel.height > 1 && geometry.dilation.height > 1) || (geometry.kernel.width > 1 && geometry.dilation.width > 1);
}

// As the functions of direct_convolution.h.
template <class T>
void dilated_forward(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& x, const Tensor& w, const Shape& y,
                     const Epilogue<T>& epilogue);
void dilated_backward_data(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& dy, const Tensor& w, const Gradient& dx);
void dilated_backward_weights(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& x, const Tensor& dy, const Gradient& dw);

}  // namespace amnet
