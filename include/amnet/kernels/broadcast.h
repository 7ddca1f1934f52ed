// A factor and a term that cover some axes of a tensor and are the same along all others: y(o,v,i) =
// x(o,v,i) s(v) + b(v), the axes that s and b cover seen as one, v, those before them as o and
// those after them as i (Caffe's Scale and Bias layers).
//
//   const BroadcastAxes channels{.first = 3, .count = 1};   // of images (N,H,W,C)
//   broadcast_forward(cpu, channels, x, s, b, y);
//   broadcast_backward(cpu, channels, x, s, dy, {.dx = {dx, Write::assign}, .ds = {ds, Write::assign}, .db = {db, Write::assign}});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// The axes [first, first + count) of x that a factor and a term cover; none of them: it is one
/// value for all.
struct BroadcastAxes {
  int first = 0, count = 0;

  /// The shape of s and b for such an x; (1) where they cover no axis. Throws UsageError where x
  /// has fewer axes.
  Shape shape(const Shape& x) const;
};

struct BroadcastGradients {
  Gradient dx = {}, ds = {}, db = {};
};

/// x, y: of one shape and floating-point dtype. s, b: as many elements as the axes that they cover
/// have indices; undefined: 1 and 0.
void broadcast_forward(Cpu& cpu, BroadcastAxes axes, const Tensor& x, const Tensor& s, const Tensor& b, const Tensor& y);

/// dx = s dy; ds = the sum of x dy, db = that of dy, over the elements of each value. x may be
/// undefined where ds is skipped, s where there is none.
void broadcast_backward(Cpu& cpu, BroadcastAxes axes, const Tensor& x, const Tensor& s, const Tensor& dy,
                        const BroadcastGradients& gradients);

}  // namespace amnet
