// What a flip asks of its arguments, in every backend. Throws UsageError.
#pragma once

#include <amnet/kernels/flip.h>

namespace amnet {

inline void check_flip(const Tensor& from, const Tensor& to) {
  require(from.rank() == 4 && from.shape() == to.shape(), "[flip] expected two images (N,H,W,C) but got {} and {}.", from.shape(),
          to.shape());
}

}  // namespace amnet
