// What the solver asks of its arguments, in every backend. Throws UsageError.
#pragma once

#include <amnet/kernels/sgd.h>

namespace amnet {

inline void check_sgd(const SgdUpdate& update) {
  const Shape& value = update.value.shape();
  require(update.gradient.shape() == value && update.momentum.shape() == value,
          "[sgd] expected a gradient and a momentum {} but got {} and {}.", value, update.gradient.shape(), update.momentum.shape());
}

}  // namespace amnet
