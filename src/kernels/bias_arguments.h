// What the gradient of a bias asks of its arguments, in every backend. Throws UsageError.
#pragma once

#include <amnet/kernels/bias.h>

namespace amnet {

/// dy (..., C); dbias (C), exact.
inline void check_bias(const Tensor& dy, const Tensor& dbias) {
  require(dy.rank() >= 1, "[bias] expected a gradient (..., C) but got {}.", dy.shape());
  const Shape wanted{dy.extent(dy.rank() - 1)};
  const DType exact = exact_dtype(dy.dtype());
  require(dbias.shape() == wanted && dbias.dtype() == exact, "[bias] expected a gradient of {} {} but got {} {}.", name_of(exact), wanted,
          name_of(dbias.dtype()), dbias.shape());
}

}  // namespace amnet
