// What PReLU asks of its arguments, in every backend. Throws UsageError.
#pragma once

#include <amnet/kernels/prelu.h>

namespace amnet {

/// x (..., C) and the other side alike; slope (C), or one value.
inline void check_prelu(const Tensor& x, const Tensor& slope, const Tensor& other) {
  const std::int64_t channels = x.extent(x.rank() - 1);
  require(slope.count() == channels || slope.count() == 1, "[prelu] expected one slope for each of {} channels, or one in all, but got {}.",
          channels, slope.shape());
  require(other.shape() == x.shape() && other.dtype() == x.dtype(), "[prelu] expected the other side as {} {} but got {} {}.",
          name_of(x.dtype()), x.shape(), name_of(other.dtype()), other.shape());
}

}  // namespace amnet
