// Accuracy: the share of samples whose largest logit is that of their label.
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>
#include <amnet/kernels/labels.h>

namespace amnet {

/// logits: (N,classes); labels: i64 (N); accuracy: (1), of the logits' dtype. Among equal logits the larger index is taken, as in
/// Caffe; a row of NaN is wrong. Throws DataError for a label out of range.
void accuracy_forward(Cpu& cpu, const Tensor& logits, const Tensor& labels, const Tensor& accuracy);
void accuracy_forward(Cuda& cuda, const Tensor& logits, const Tensor& labels, const Tensor& accuracy);

}  // namespace amnet
