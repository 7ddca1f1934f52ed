// The geometry of kernels that move elements along axes, checked: where each element comes from.
//
//   const PermutedAxes axes = permuted_axes(x, order, y);   // of y's element (i,j,k,l): at i s0 + j s1 + k s2 + l s3 of x
//   const AxisPart rows = axis_part(whole, axis, begin, part);
#pragma once

#include <amnet/core/tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace amnet {

/// The extents of the target, with ones before them where it has fewer than four, and how far apart
/// neighbours along each of its axes are in the source.
struct PermutedAxes {
  std::int64_t extents[Shape::max_rank], strides[Shape::max_rank];

  std::int64_t count() const { return extents[0] * extents[1] * extents[2] * extents[3]; }
};

/// Throws UsageError unless `order` has each axis of `from` once, and `to` has its extents in that
/// order and its dtype.
PermutedAxes permuted_axes(const Tensor& from, std::span<const std::int64_t> order, const Tensor& to);
/// The order that undoes `order`; for one that permuted_axes takes.
std::vector<std::int64_t> inverse_order(std::span<const std::int64_t> order);

/// Runs of neighbouring elements: `runs` of them, one in each whole.
struct AxisPart {
  std::int64_t runs;
  std::int64_t of_whole, of_part;  ///< elements from one run to the next
  std::int64_t offset;             ///< of the first run in the whole

  std::int64_t count() const { return runs * of_part; }
};

/// Throws UsageError unless the indices lie within the axis.
AxisPart axis_part(const Tensor& whole, int axis, std::int64_t begin, std::int64_t extent);
/// The same for a part that is a tensor, which must have the other extents and the dtype of the
/// whole.
AxisPart axis_part(const Tensor& whole, int axis, std::int64_t begin, const Tensor& part);

}  // namespace amnet
