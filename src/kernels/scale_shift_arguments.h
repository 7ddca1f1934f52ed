// What scale and shift asks of its arguments, in every backend. Throws UsageError.
#pragma once

#include <amnet/kernels/scale_shift.h>

namespace amnet {

/// value (..., C); scale (C), or one value.
inline void check_scale_shift(const Tensor& value, const Tensor& scale) {
  const std::int64_t channels = value.rank() == 0 ? 1 : value.extent(value.rank() - 1);
  require(scale.count() == 1 || scale.count() == channels,
          "[scale_shift] expected one scale for each of {} channels, or one in all, but got {}.", channels, scale.shape());
}

}  // namespace amnet
