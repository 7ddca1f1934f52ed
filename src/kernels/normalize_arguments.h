// What normalisation asks of its arguments, in every backend. Throws UsageError.
#pragma once

#include <amnet/kernels/normalize.h>

namespace amnet {

/// rows (..., D) and the other side alike; an exact norm for each row.
inline void check_normalize(const Tensor& rows, const Tensor& other, const Tensor& norm) {
  require(rows.rank() >= 1 && other.count() == rows.count() && other.dtype() == rows.dtype(),
          "[normalize] expected two tensors (..., D) of one dtype but got {} {} and {} {}.", name_of(rows.dtype()), rows.shape(),
          name_of(other.dtype()), other.shape());
  const std::int64_t length = rows.extent(rows.rank() - 1), number = length == 0 ? 0 : rows.count() / length;
  const DType exact = exact_dtype(rows.dtype());
  require(norm.count() == number && norm.dtype() == exact, "[normalize] expected one {} norm for each of {} rows but got {} {}.",
          name_of(exact), number, name_of(norm.dtype()), norm.shape());
}

}  // namespace amnet
