// Images made grey: y = 0.114 b + 0.587 g + 0.299 r, the luma of ITU-R BT.601, which OpenCV and
// libjpeg compute too. It may be applied after (pixel - mean) * scale, because the factors add up
// to 1.
//
//   grey_forward(cpu, ChannelOrder::bgr, x, y);
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>
#include <amnet/core/image_format.h>

namespace amnet {

/// x: (N,H,W,3); y: (N,H,W,1).
void grey_forward(Cpu& cpu, ChannelOrder order, const Tensor& x, const Tensor& y);
/// dx: (N,H,W,3).
void grey_backward(Cpu& cpu, ChannelOrder order, const Tensor& dy, const Gradient& dx);

}  // namespace amnet
