// What accuracy asks of its arguments, in every backend. Throws UsageError.
#pragma once

#include <amnet/kernels/accuracy.h>
#include <amnet/kernels/labels.h>

namespace amnet {

/// logits (N,classes), labels i64 (N).
inline void check_accuracy(const Tensor& logits, const Tensor& labels) {
  require(logits.rank() == 2, "[accuracy] expected logits (N,classes) but got {}.", logits.shape());
  check_labels(labels, logits.extent(0), logits.extent(1), "accuracy");
}

}  // namespace amnet
