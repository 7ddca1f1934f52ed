// One scale for each sample, or for each position of it: y = s x. With one running scale in all it
// is global_scale_update that moves it, and kernels/scale_shift.h that multiplies. Formulas:
// ChannelScale of happynear/caffe-windows (layers/channel_scale_layer.cpp, .cu).
//
//   sample_scale_forward(cpu, x, scales, y);   // (2,3) by (2)
//   sample_scale_backward(cpu, x, scales, dy, {dx, Write::assign}, {dscales, Write::assign});
//   global_scale_update(cpu, {.high = 30}, scales, running);
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

#include <limits>

namespace amnet {

/// x, y: of one shape and dtype; scales: as many as x has equal parts, one after the other: (N) or
/// (N,1) for samples, (N,H,W,1) for the positions of (N,H,W,C). They are of x's dtype, or f32 where
/// x is bf16.
void sample_scale_forward(Cpu& cpu, const Tensor& x, const Tensor& scales, const Tensor& y);
void sample_scale_forward(Cuda& cuda, const Tensor& x, const Tensor& scales, const Tensor& y);

/// dx = s dy; dscales = the sum of x dy over the part. x may be undefined where dscales is skipped.
void sample_scale_backward(Cpu& cpu, const Tensor& x, const Tensor& scales, const Tensor& dy, const Gradient& dx, const Gradient& dscales);
void sample_scale_backward(Cuda& cuda, const Tensor& x, const Tensor& scales, const Tensor& dy, const Gradient& dx,
                           const Gradient& dscales);

struct GlobalScaleUpdate {
  bool moves = true;    ///< towards the mean of the scales; else it is only limited
  double keeps = 0.99;  ///< how much of itself
  double low = 0, high = std::numeric_limits<double>::max();
};

/// running (1), of scales' dtype or f32: a negative one becomes the mean of |scales|, another one
/// keeps running + (1 - keeps) mean; then it is limited to [low, high].
void global_scale_update(Cpu& cpu, const GlobalScaleUpdate& update, const Tensor& scales, const Tensor& running);
void global_scale_update(Cuda& cuda, const GlobalScaleUpdate& update, const Tensor& scales, const Tensor& running);

}  // namespace amnet
