// Pooling over windows of an image: the maximum or the average of each window, per channel. As in Caffe, sizes are rounded up by
// default, a last window must start inside the image or its padding before it, and an average divides by the part of the window
// that lies inside the image and its padding.
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

#include <array>
#include <string_view>

namespace amnet {

enum class PoolKind : unsigned char { max, average };
constexpr std::array<std::string_view, 2> option_names(PoolKind) { return {"max", "average"}; }

/// A window in pixels. Padding is smaller than the window, so that no window lies in the padding alone.
struct PoolOptions {
  PoolKind kind = PoolKind::max;
  std::int64_t kernel_height = 2, kernel_width = 2;
  std::int64_t stride_height = 2, stride_width = 2;
  std::int64_t pad_height = 0, pad_width = 0;
  bool round_up = true;  ///< whether a last window may hang over the edge
};

/// How many windows lie along an extent: ceil (or floor) of (extent + 2 pad - kernel) / stride, plus 1, less those that would start
/// at or after extent + pad. Throws UsageError where the window does not fit.
std::int64_t pooled_extent(std::int64_t extent, std::int64_t kernel, std::int64_t stride, std::int64_t pad, bool round_up);

/// x: (N,H,W,C); y: (N,OH,OW,C); indices: i64, as y, for a maximum only: h * W + w of the pixel that won, the first on a tie.
void pool_forward(Cpu& cpu, const PoolOptions& options, const Tensor& x, const Tensor& y, const Tensor& indices);
void pool_forward(Cuda& cuda, const PoolOptions& options, const Tensor& x, const Tensor& y, const Tensor& indices);

/// A maximum sends dy to the pixel that won, an average spreads it evenly. dx: (N,H,W,C).
void pool_backward(Cpu& cpu, const PoolOptions& options, const Tensor& dy, const Tensor& indices, const Gradient& dx);
void pool_backward(Cuda& cuda, const PoolOptions& options, const Tensor& dy, const Tensor& indices, const Gradient& dx);

}  // namespace amnet
