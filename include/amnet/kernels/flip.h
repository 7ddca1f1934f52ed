// Flip of an image: y(n,h,w,c) = x(n,h,W-1-w,c), and with axes.height x(n,H-1-h,...,c).
//
//   flip_forward(cpu, x, mirrored);
//   flip_backward(cpu, dmirrored, {dx, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// Which axes of the image are reversed.
struct FlipAxes {
  bool width = true;
  bool height = false;
};

/// x, y: (N,H,W,C), of one floating-point dtype.
void flip_forward(Cpu& cpu, const Tensor& x, const Tensor& y, FlipAxes axes = {});
void flip_forward(Cuda& cuda, const Tensor& x, const Tensor& y, FlipAxes axes = {});

/// dx is dy flipped back.
void flip_backward(Cpu& cpu, const Tensor& dy, const Gradient& dx, FlipAxes axes = {});
void flip_backward(Cuda& cuda, const Tensor& dy, const Gradient& dx, FlipAxes axes = {});

}  // namespace amnet
