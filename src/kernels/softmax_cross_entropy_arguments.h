// What softmax cross-entropy asks of its arguments, in every backend. Throws UsageError.
#pragma once

#include <amnet/kernels/labels.h>
#include <amnet/kernels/softmax_cross_entropy.h>

namespace amnet {

/// logits (N,classes), labels i64 (N); sample_scale of N values of their dtype, or undefined.
inline void check_softmax_cross_entropy(const Tensor& logits, const Tensor& labels, const Tensor& sample_scale) {
  require(logits.rank() == 2, "[softmax_cross_entropy] expected logits (N,classes) but got {}.", logits.shape());
  const std::int64_t samples = logits.extent(0);
  require(!sample_scale.defined() || (sample_scale.count() == samples && sample_scale.dtype() == logits.dtype()),
          "[softmax_cross_entropy] expected one {} scale for each of {} samples but got {} {}.", name_of(logits.dtype()), samples,
          name_of(sample_scale.dtype()), sample_scale.shape());
  check_labels(labels, samples, logits.extent(1), "softmax_cross_entropy");
}

}  // namespace amnet
