// Accuracy: the share of samples whose largest logit is that of their label.
//
//   const Tensor logits = Tensor::of<float>({2, 3}, {1, 5, 2, 4, 0, 3}), labels = Tensor::of<std::int64_t>({2}, {1, 2});
//   const Tensor accuracy({1}, DType::f32);
//   accuracy_forward(cpu, logits, labels, accuracy);
//   accuracy.item();   // 0.5: the first is right, the second is not
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>
#include <amnet/kernels/labels.h>

namespace amnet {

/// logits: (N,classes); labels: i64 (N); accuracy: (1), of the logits' dtype. Among equal logits
/// the larger index is taken, as in Caffe; a row of NaN is wrong. Throws DataError for a label out
/// of range.
void accuracy_forward(Cpu& cpu, const Tensor& logits, const Tensor& labels, const Tensor& accuracy);
void accuracy_forward(Cuda& cuda, const Tensor& logits, const Tensor& labels, const Tensor& accuracy);

}  // namespace amnet
