// Horizontal flip: y(n,h,w,c) = x(n,h,W-1-w,c).
//
//   flip_forward(cpu, x, mirrored);
//   flip_backward(cpu, dmirrored, {dx, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// x, y: (N,H,W,C), of one floating-point dtype.
void flip_forward(Cpu& cpu, const Tensor& x, const Tensor& y);
void flip_forward(Cuda& cuda, const Tensor& x, const Tensor& y);

/// dx is dy flipped back.
void flip_backward(Cpu& cpu, const Tensor& dy, const Gradient& dx);
void flip_backward(Cuda& cuda, const Tensor& dy, const Gradient& dx);

}  // namespace amnet
