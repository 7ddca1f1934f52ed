// Flatten: an image (N,H,W,C) becomes a row (N, C*H*W) in C,H,W order, so that the columns of a
// fully connected layer are in the order of systems that hold images as (N,C,H,W). Rows (N,D) pass
// through.
//
//   const Tensor x({2, 7, 6, 512}, DType::f32), y({2, 512 * 7 * 6}, DType::f32);
//   flatten_forward(cpu, x, y);
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// x: (N,H,W,C) or (N,D); y: (N, C*H*W) or (N,D).
void flatten_forward(Cpu& cpu, const Tensor& x, const Tensor& y);
void flatten_forward(Cuda& cuda, const Tensor& x, const Tensor& y);

/// The way back: dy as y, dx as x.
void flatten_backward(Cpu& cpu, const Tensor& dy, const Gradient& dx);
void flatten_backward(Cuda& cuda, const Tensor& dy, const Gradient& dx);

}  // namespace amnet
