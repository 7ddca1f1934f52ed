// Accuracy: the share of samples whose largest logit is that of their label, or for which it is
// among the k largest.
//
//   const Tensor logits = Tensor::of<float>({2, 3}, {1, 5, 2, 4, 0, 3}), labels = Tensor::of<std::int64_t>({2}, {1, 2});
//   const Tensor accuracy({1}, DType::f32);
//   accuracy_forward(cpu, logits, labels, accuracy);
//   accuracy.item();   // 0.5: the first is right, the second is not
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>
#include <amnet/kernels/labels.h>

#include <cstdint>
#include <optional>

namespace amnet {

/// What counts as right, and which rows are counted.
struct AccuracyRule {
  /// right if fewer than k other classes are better than the label
  std::int64_t top_k = 1;
  std::optional<std::int64_t> ignore_label = {};  ///< rows with this label are not counted
  bool min_is_better = false;                     ///< for distances in the place of logits
  /// K columns a class, of which the best counts; top_k is 1 then
  std::int64_t centres = 1;
  /// (N), of the logits' dtype: a row of weight 0 is not counted; other weights do nothing
  Tensor weights = {};
  /// (classes), written: the accuracy over the rows of each label, 0 where there is none
  Tensor per_class = {};
};

/// logits: (N,K classes); labels: i64 (N); accuracy: (1), of the logits' dtype, 0 where no row is
/// counted. Among equal logits the larger index is better, among equal distances the smaller one,
/// as in Caffe; a label with a NaN, or with minus infinity (of distances: infinity), is wrong.
/// Throws DataError for a label out of range.
void accuracy_forward(Cpu& cpu, const Tensor& logits, const Tensor& labels, const Tensor& accuracy, const AccuracyRule& rule = {});
void accuracy_forward(Cuda& cuda, const Tensor& logits, const Tensor& labels, const Tensor& accuracy, const AccuracyRule& rule = {});

}  // namespace amnet
