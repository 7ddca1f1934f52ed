// The operations of a graph that the fake cuDNN knows, read from their descriptors and computed
// with plain loops in double.
#pragma once

#include "fake_cudnn_descriptors.h"

#include <optional>

namespace fake_cudnn {

using Extents = std::vector<std::int64_t>;

struct Tensor {
  explicit Tensor(const Content& content)
      : id(content.value<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID)),
        type(content.value<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE)),
        extents(content.values<std::int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS)),
        strides(content.values<std::int64_t>(CUDNN_ATTR_TENSOR_STRIDES)),
        alignment(content.value<std::int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT)),
        is_virtual(content.has(CUDNN_ATTR_TENSOR_IS_VIRTUAL) && content.value<char>(CUDNN_ATTR_TENSOR_IS_VIRTUAL) != 0) {}

  std::int64_t count() const {
    std::int64_t product = 1;
    for (const std::int64_t extent : extents) product *= extent;
    return product;
  }
  /// The offset of the i-th element in the order of the extents.
  std::int64_t place(std::int64_t i) const {
    std::int64_t offset = 0;
    for (std::size_t d = extents.size(); d-- > 0; i /= extents[d]) offset += i % extents[d] * strides[d];
    return offset;
  }

  std::int64_t id;
  cudnnDataType_t type;
  Extents extents, strides;
  std::int64_t alignment;
  bool is_virtual;
};

struct ConvolutionNames {
  cudnnBackendAttributeName_t convolution, x, w, y, alpha, beta;
};
/// Nothing for other operations.
std::optional<ConvolutionNames> convolution_names(const Content& operation);

/// A convolution as described by its operation: which of the three tensors it writes, and the terms
/// x(pixel) w(tap) y(pixel) of its sum.
struct Convolution {
  explicit Convolution(const Content& operation);
  const Tensor& written() const { return backward_data ? x : backward_filter ? w : y; }
  const Tensor& first() const { return backward_data ? w : x; }
  const Tensor& second() const { return backward_data || backward_filter ? y : w; }
  std::vector<double> run(const std::vector<double>& a, const std::vector<double>& b) const;

  ConvolutionNames names;
  Tensor x, w, y;
  float alpha, beta;
  Extents stride, pad, dilation;
  std::int64_t groups = 1;
  bool backward_data = false, backward_filter = false;
};

struct Pointwise {
  explicit Pointwise(const Content& operation);
  std::vector<double> run(const std::vector<double>& xs, const std::vector<double>& bs) const;
  /// The element of the second tensor, which is repeated along extents of 1, for the i-th of the
  /// first.
  std::int64_t of_second(std::int64_t i) const;

  cudnnPointwiseMode_t mode;
  Tensor x, y;
  std::optional<Tensor> b;
};

/// The execution of a plan: the values of its tensors by number, in the order of the extents.
class Run {
 public:
  /// `places`: the addresses of the tensors, by their numbers. `rounds`: f32 factors to tf32, as
  /// tensor cores do. `overwrites`: the tensor that it should add to.
  Run(std::map<std::int64_t, void*> places, bool rounds, bool overwrites)
      : places_(std::move(places)), rounds_(rounds), overwrites_(overwrites) {}

  void convolve(const Convolution& convolution);
  void map(const Pointwise& pointwise);
  /// Writes the computed values to their tensors.
  void store() const;

 private:
  std::vector<double> from_memory(const Tensor& tensor) const;
  std::vector<double> values(const Tensor& tensor) const;
  void keep(const Tensor& tensor, std::vector<double> values) { written_.emplace_back(tensor, std::move(values)); }

  std::map<std::int64_t, void*> places_;
  bool rounds_, overwrites_;
  std::vector<std::pair<Tensor, std::vector<double>>> written_;
};

const std::vector<Contents>& operations_of(const Content& graph);
/// All tensors of a graph, each once.
std::vector<Tensor> tensors_of(const Content& graph);

}  // namespace fake_cudnn
