// What kernels require of their arguments, in every backend: shapes, dtypes, and what must match.
// All throw UsageError that begins with the kernel's name; check_labels (amnet/kernels/labels.h)
// checks values too.
//
//   check_prelu(x, slope, y);   // then every backend may read and write without looking
#pragma once

#include <amnet/kernels/accuracy.h>
#include <amnet/kernels/adam.h>
#include <amnet/kernels/binary_cross_entropy.h>
#include <amnet/kernels/combine.h>
#include <amnet/kernels/conv2d.h>
#include <amnet/kernels/image_input.h>
#include <amnet/kernels/sgd.h>
#include <amnet/kernels/softmax_cross_entropy.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace amnet {

/// logits (N,classes), labels i64 (N); the rule's tensors undefined or of their shapes.
void check_accuracy(const Tensor& logits, const Tensor& labels, const AccuracyRule& rule);

/// A gradient, a mean and a square of the value's shape.
void check_adam(const AdamUpdate& update);

/// x (..., C) and the other side alike; mean and variance (C).
void check_batch_norm(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& other);

/// dy (..., C); dbias (C), exact.
void check_bias(const Tensor& dy, const Tensor& dbias);

/// The number of tensors and of coefficients; those that are defined, of one shape and dtype with
/// the other side.
void check_combine(const CombineRule& rule, std::span<const Tensor> xs, const Tensor& other);

/// w (O,kh,kw,C/groups) for inputs x (N,H,W,C) of `dtype`.
void check_conv2d_weights(const Conv2dGeometry& geometry, const Shape& x, const Tensor& w, DType dtype);
void check_conv2d_forward(const Conv2dGeometry& geometry, const Tensor& x, const Tensor& w, const Conv2dEpilogue& epilogue,
                          const Tensor& y);
void check_conv2d_backward(const Conv2dGeometry& geometry, const Tensor& x, const Tensor& w, const Conv2dActivation& activation,
                           const Tensor& dy, const Conv2dGradients& gradients);

/// Pixels and channels of the images of a batch; a row is one pixel.
struct FlattenedImages {
  std::int64_t samples, pixels, channels;

  /// (N,H,W,C), or (N,D), which has one pixel.
  explicit FlattenedImages(const Shape& shape);
};

/// Two images (N,H,W,C).
void check_flip(const Tensor& from, const Tensor& to);

struct FullyConnectedSizes {
  std::int64_t samples, inputs, outputs;
};

/// x (N,I), w (O,I), y (N,O).
FullyConnectedSizes fully_connected_sizes(const Tensor& x, const Tensor& w, const Tensor& y);
/// values: one for each output, or undefined.
void check_output_values(const Tensor& values, std::string_view name, const FullyConnectedSizes& sizes);

/// pixels (N,H,W,C), or (images,H,W,C) and N indices; N mirror flags; y (N,H,W,C).
void check_image_input(const ImagePixels& pixels, const Tensor& mirror, const Tensor& y);

/// rows (..., D) and the other side alike; an exact norm for each row.
void check_normalize(const Tensor& rows, const Tensor& other, const Tensor& norm);

/// x (..., C) and the other side alike; slope (C), or one value.
void check_prelu(const Tensor& x, const Tensor& slope, const Tensor& other);

/// Rows one after the other, and an exact number for each.
struct ReducedRows {
  std::int64_t rows, columns;

  ReducedRows(const Tensor& values, const Tensor& numbers);
};

/// value (..., C); scale (C), or one value.
void check_scale_shift(const Tensor& value, const Tensor& scale);

/// A gradient and a momentum of the value's shape.
void check_sgd(const SgdUpdate& update);

/// x (..., C) and the other side alike.
void check_softmax(const Tensor& x, const Tensor& other);

/// logits (N,K classes), labels i64 (N); norms and the weights of rows: N values of their dtype, or
/// undefined; running statistics as the form has them.
void check_softmax_cross_entropy(const MarginOptions& options, const Tensor& logits, const Tensor& labels, const MarginInputs& inputs,
                                 const LossRows& rows = {});

/// Room for margin_row_values of each row, of the logits' dtype.
void check_row_values(const Tensor& row_values, const Tensor& logits, std::string_view who);

/// The same for the binary losses: one bias.
void check_binary_cross_entropy(const BinaryOptions& options, const Tensor& cosines, const Tensor& labels, const Tensor& bias);

/// The elements of an argument that may be undefined; then null.
template <class T>
T* elements_or_null(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>().data() : nullptr;
}

}  // namespace amnet
