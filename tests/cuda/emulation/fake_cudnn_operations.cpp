#include "fake_cudnn_operations.h"

#include <algorithm>
#include <stdexcept>

namespace fake_cudnn {
namespace {

double read(const void* memory, cudnnDataType_t type, std::int64_t place) {
  if (type == CUDNN_DATA_FLOAT) return static_cast<const float*>(memory)[place];
  const std::uint32_t bits = std::uint32_t{static_cast<const std::uint16_t*>(memory)[place]} << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
void write(void* memory, cudnnDataType_t type, std::int64_t place, double value) {
  const auto narrow = static_cast<float>(value);
  if (type == CUDNN_DATA_FLOAT) {
    static_cast<float*>(memory)[place] = narrow;
    return;
  }
  std::uint32_t bits = 0;
  std::memcpy(&bits, &narrow, sizeof bits);
  static_cast<std::uint16_t*>(memory)[place] = static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}
double as_tf32(double value) {
  const auto narrow = static_cast<float>(value);
  std::uint32_t bits = 0;
  std::memcpy(&bits, &narrow, sizeof bits);
  bits = (bits + 0x1000U) & ~0x1fffU;
  float rounded = 0;
  std::memcpy(&rounded, &bits, sizeof rounded);
  return rounded;
}

/// As observed with cuDNN 9.14 on a GPU: where it sums in float it reads a float, although it
/// accepts a double without an error.
float factor(const Content& operation, cudnnBackendAttributeName_t name) {
  const std::vector<float> words = operation.values<float>(name);
  demand(!words.empty());
  return words[0];
}

}  // namespace

std::optional<ConvolutionNames> convolution_names(const Content& operation) {
  switch (operation.type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
      return ConvolutionNames{CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,         CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
      return ConvolutionNames{CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,         CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      return ConvolutionNames{CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
    default: return {};
  }
}

Convolution::Convolution(const Content& operation)
    : names(*convolution_names(operation)),
      x(operation.descriptor(names.x)),
      w(operation.descriptor(names.w)),
      y(operation.descriptor(names.y)),
      alpha(factor(operation, names.alpha)),
      beta(factor(operation, names.beta)) {
  const Content& geometry = operation.descriptor(names.convolution);
  stride = geometry.values<std::int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
  pad = geometry.values<std::int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
  dilation = geometry.values<std::int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS);
  demand(geometry.values<std::int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS) == pad, CUDNN_STATUS_NOT_SUPPORTED);
  demand(geometry.value<cudnnConvolutionMode_t>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) == CUDNN_CROSS_CORRELATION, CUDNN_STATUS_NOT_SUPPORTED);
  demand(x.extents[1] % w.extents[1] == 0, CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH);
  groups = x.extents[1] / w.extents[1];
  demand(w.extents[0] % groups == 0 && y.extents[1] == w.extents[0] && y.extents[0] == x.extents[0], CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH);
  for (const std::size_t d : {std::size_t{0}, std::size_t{1}}) {
    demand(y.extents[2 + d] == (x.extents[2 + d] + 2 * pad[d] - dilation[d] * (w.extents[2 + d] - 1) - 1) / stride[d] + 1,
           CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH);
  }
  backward_data = operation.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR;
  backward_filter = operation.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR;
}

std::vector<double> Convolution::run(const std::vector<double>& a, const std::vector<double>& b) const {
  std::vector<double> result(static_cast<std::size_t>(written().count()));
  const std::int64_t per_group = w.extents[1], outputs_per_group = w.extents[0] / groups;
  for (std::int64_t n = 0; n < y.extents[0]; ++n) {
    for (std::int64_t o = 0; o < y.extents[1]; ++o) {
      for (std::int64_t i = 0; i < y.extents[2]; ++i) {
        for (std::int64_t j = 0; j < y.extents[3]; ++j) {
          const auto of_y = static_cast<std::size_t>(((n * y.extents[1] + o) * y.extents[2] + i) * y.extents[3] + j);
          for (std::int64_t c = 0; c < per_group; ++c) {
            for (std::int64_t s = 0; s < w.extents[2]; ++s) {
              for (std::int64_t t = 0; t < w.extents[3]; ++t) {
                const std::int64_t row = i * stride[0] + s * dilation[0] - pad[0], column = j * stride[1] + t * dilation[1] - pad[1];
                if (row < 0 || column < 0 || row >= x.extents[2] || column >= x.extents[3]) continue;
                const std::int64_t channel = o / outputs_per_group * per_group + c;
                const auto of_x = static_cast<std::size_t>(((n * x.extents[1] + channel) * x.extents[2] + row) * x.extents[3] + column);
                const auto of_w = static_cast<std::size_t>(((o * per_group + c) * w.extents[2] + s) * w.extents[3] + t);
                if (backward_data) {
                  result[of_x] += a[of_w] * b[of_y];
                } else if (backward_filter) {
                  result[of_w] += a[of_x] * b[of_y];
                } else {
                  result[of_y] += a[of_x] * b[of_w];
                }
              }
            }
          }
        }
      }
    }
  }
  return result;
}

Pointwise::Pointwise(const Content& operation)
    : mode(operation.descriptor(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR).value<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE)),
      x(operation.descriptor(CUDNN_ATTR_OPERATION_POINTWISE_XDESC)),
      y(operation.descriptor(CUDNN_ATTR_OPERATION_POINTWISE_YDESC)) {
  const bool wants_second = mode == CUDNN_POINTWISE_ADD || mode == CUDNN_POINTWISE_SUB || mode == CUDNN_POINTWISE_MUL;
  demand(operation.has(CUDNN_ATTR_OPERATION_POINTWISE_BDESC) == wants_second);
  demand(x.extents == y.extents, CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH);
  if (!wants_second) return;
  b.emplace(operation.descriptor(CUDNN_ATTR_OPERATION_POINTWISE_BDESC));
  for (std::size_t d = 0; d < y.extents.size(); ++d) {
    demand(b->extents[d] == 1 || b->extents[d] == y.extents[d], CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH);
  }
}

std::vector<double> Pointwise::run(const std::vector<double>& xs, const std::vector<double>& bs) const {
  std::vector<double> result(xs.size());
  for (std::size_t i = 0; i < xs.size(); ++i) {
    const double second = b ? bs[static_cast<std::size_t>(of_second(static_cast<std::int64_t>(i)))] : 0;
    switch (mode) {
      case CUDNN_POINTWISE_ADD: result[i] = xs[i] + second; break;
      case CUDNN_POINTWISE_SUB: result[i] = xs[i] - second; break;
      case CUDNN_POINTWISE_MUL: result[i] = xs[i] * second; break;
      case CUDNN_POINTWISE_RELU_FWD: result[i] = std::max(xs[i], 0.0); break;
      case CUDNN_POINTWISE_IDENTITY: result[i] = xs[i]; break;
      default: throw std::logic_error("the fake cuDNN does not know this pointwise operation");
    }
  }
  return result;
}

std::int64_t Pointwise::of_second(std::int64_t i) const {
  std::int64_t index = 0, step = 1;
  for (std::size_t d = y.extents.size(); d-- > 0; i /= y.extents[d]) {
    if (b->extents[d] != 1) index += i % y.extents[d] * step;
    step *= b->extents[d];
  }
  return index;
}

void Run::convolve(const Convolution& convolution) {
  std::vector<double> a = values(convolution.first()), b = values(convolution.second());
  if (rounds_ && convolution.first().type == CUDNN_DATA_FLOAT) {
    std::ranges::transform(a, a.begin(), as_tf32);
    std::ranges::transform(b, b.begin(), as_tf32);
  }
  std::vector<double> result = convolution.run(a, b);
  for (double& value : result) value *= convolution.alpha;
  if (convolution.beta != 0 && !overwrites_) {
    const std::vector<double> before = from_memory(convolution.written());
    for (std::size_t i = 0; i < result.size(); ++i) result[i] += convolution.beta * before[i];
  }
  keep(convolution.written(), std::move(result));
}

void Run::map(const Pointwise& pointwise) {
  keep(pointwise.y, pointwise.run(values(pointwise.x), pointwise.b ? values(*pointwise.b) : std::vector<double>{}));
}

void Run::store() const {
  for (const auto& [tensor, values] : written_) {
    if (tensor.is_virtual) continue;
    for (std::int64_t i = 0; i < tensor.count(); ++i) {
      write(places_.at(tensor.id), tensor.type, tensor.place(i), values[static_cast<std::size_t>(i)]);
    }
  }
}

std::vector<double> Run::from_memory(const Tensor& tensor) const {
  std::vector<double> result(static_cast<std::size_t>(tensor.count()));
  for (std::int64_t i = 0; i < tensor.count(); ++i)
    result[static_cast<std::size_t>(i)] = read(places_.at(tensor.id), tensor.type, tensor.place(i));
  return result;
}

std::vector<double> Run::values(const Tensor& tensor) const {
  for (const auto& [other, values] : written_) {
    if (other.id == tensor.id) return values;
  }
  return from_memory(tensor);
}

const std::vector<Contents>& operations_of(const Content& graph) { return graph.at(CUDNN_ATTR_OPERATIONGRAPH_OPS).descriptors; }

std::vector<Tensor> tensors_of(const Content& graph) {
  std::vector<Tensor> all;
  const auto add = [&](const Tensor& tensor) {
    for (const Tensor& other : all) {
      if (other.id != tensor.id) continue;
      demand(other.extents == tensor.extents && other.type == tensor.type, CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES);
      return;
    }
    all.push_back(tensor);
  };
  for (const Contents& operation : operations_of(graph)) {
    if (convolution_names(*operation)) {
      const Convolution convolution(*operation);
      for (const Tensor* tensor : {&convolution.x, &convolution.w, &convolution.y}) add(*tensor);
    } else {
      const Pointwise pointwise(*operation);
      add(pointwise.x);
      add(pointwise.y);
      if (pointwise.b) add(*pointwise.b);
    }
  }
  return all;
}

}  // namespace fake_cudnn
