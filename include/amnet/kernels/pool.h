// Pooling over windows of an image: the maximum or the average of each window, per channel. As in
// Caffe, sizes are rounded up by default, a last window must start inside the image or its padding
// before it, and an average divides by the part of the window that lies inside the image and its
// padding.
//
//   const PoolWindow window{.kind = PoolKind::max, .kernel = 3, .stride = 2};
//   const Tensor y(window.output_shape(x.shape()), x.dtype()), indices(y.shape(), DType::i64);
//   pool_forward(cpu, window, x, y, indices);
//   pool_backward(cpu, window, dy, indices, {dx, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/extents.h>
#include <amnet/core/gradient.h>

#include <array>
#include <string_view>

namespace amnet {

/// kernels/stochastic_pool.h has the kernels of a stochastic pooling; those here refuse it.
enum class PoolKind : unsigned char { max, average, stochastic };
constexpr std::array<std::string_view, 3> names_of(PoolKind) { return {"max", "average", "stochastic"}; }

/// What is taken of a window, and its geometry in pixels. Padding is smaller than the window, so
/// that no window contains only padding.
struct PoolWindow {
  PoolKind kind = PoolKind::max;
  Extents kernel = 2, stride = 2, pad = 0;
  bool round_up = true;  ///< whether a last window may extend beyond the edge

  /// (N,H,W,C) to (N,OH,OW,C), by pooled_extent().
  Shape output_shape(const Shape& x) const;
};

/// How many windows lie along an extent: ceil (or floor) of (extent + 2 pad - kernel) / stride,
/// plus 1, less those that would start at or after extent + pad. Throws UsageError where the window
/// does not fit.
std::int64_t pooled_extent(std::int64_t extent, std::int64_t kernel, std::int64_t stride, std::int64_t pad, bool round_up);

/// x: (N,H,W,C); y: (N,OH,OW,C); indices: i64, as y, for a maximum only: h * W + w of the largest
/// pixel, the first on a tie.
void pool_forward(Cpu& cpu, const PoolWindow& window, const Tensor& x, const Tensor& y, const Tensor& indices);
void pool_forward(Cuda& cuda, const PoolWindow& window, const Tensor& x, const Tensor& y, const Tensor& indices);

/// For a maximum dy goes to the largest pixel, for an average it is spread evenly. dx: (N,H,W,C).
void pool_backward(Cpu& cpu, const PoolWindow& window, const Tensor& dy, const Tensor& indices, const Gradient& dx);
void pool_backward(Cuda& cuda, const PoolWindow& window, const Tensor& dy, const Tensor& indices, const Gradient& dx);

}  // namespace amnet
