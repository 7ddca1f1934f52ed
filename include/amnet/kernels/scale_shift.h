// Scale and shift: y = scale x + shift, with one scale per channel (last dimension) or one in all.
//
//   scale_shift_forward(cpu, x, scale, shift, y);
//   scale_shift_backward(cpu, x, scale, dy, {dx, Write::assign}, {dscale, Write::assign}, {dshift, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// x, y: (..., C); scale: (C) or (1); shift: the same, or undefined for none.
void scale_shift_forward(Cpu& cpu, const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& y);
void scale_shift_forward(Cuda& cuda, const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& y);

/// dx = scale dy; dscale = the sum of x dy over the elements of the channel; dshift = that of dy.
/// x may be undefined where dscale is skipped, and dx may be x itself where it is assigned.
void scale_shift_backward(Cpu& cpu, const Tensor& x, const Tensor& scale, const Tensor& dy, const Gradient& dx, const Gradient& dscale,
                          const Gradient& dshift);
void scale_shift_backward(Cuda& cuda, const Tensor& x, const Tensor& scale, const Tensor& dy, const Gradient& dx, const Gradient& dscale,
                          const Gradient& dshift);

}  // namespace amnet
