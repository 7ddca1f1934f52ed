// A tensor with its axes in another order: axis i of y is axis order[i] of x. The order (0,2,3,1)
// makes (N,H,W,C) of (N,C,H,W).
//
//   permute_forward(cpu, x, std::array<std::int64_t, 2>{1, 0}, y);   // y: the transpose of x
//   permute_backward(cpu, dy, std::array<std::int64_t, 2>{1, 0}, {dx, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

#include <cstdint>
#include <span>

namespace amnet {

/// x, y: of one dtype, which may be any. order: each axis of x once.
void permute_forward(Cpu& cpu, const Tensor& x, std::span<const std::int64_t> order, const Tensor& y);
void permute_forward(Cuda& cuda, const Tensor& x, std::span<const std::int64_t> order, const Tensor& y);

/// The way back, for floating-point tensors: dy as y, dx as x.
void permute_backward(Cpu& cpu, const Tensor& dy, std::span<const std::int64_t> order, const Gradient& dx);
void permute_backward(Cuda& cuda, const Tensor& dy, std::span<const std::int64_t> order, const Gradient& dx);

}  // namespace amnet
