// What batch normalisation asks of its arguments, in every backend. Throws UsageError.
#pragma once

#include <amnet/kernels/batch_norm.h>

namespace amnet {

/// x (..., C) and the other side alike; mean and variance (C).
inline void check_batch_norm(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& other) {
  const std::int64_t channels = x.extent(x.rank() - 1);
  require(mean.count() == channels && variance.count() == channels,
          "[batch_norm] expected a mean and a variance for each of {} channels but got {} and {}.", channels, mean.shape(),
          variance.shape());
  require(other.shape() == x.shape() && other.dtype() == x.dtype(), "[batch_norm] expected the other side as {} {} but got {} {}.",
          name_of(x.dtype()), x.shape(), name_of(other.dtype()), other.shape());
}

}  // namespace amnet
