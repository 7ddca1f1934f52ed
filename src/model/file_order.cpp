#include "file_order.h"

namespace amnet {
namespace {

enum class Direction { to_file, from_file };

// (out, kh, kw, in) in memory against (out, in, kh, kw) in files.
Tensor reorder_convolution(const Tensor& source, Direction direction) {
  const bool out = direction == Direction::to_file;
  const Shape& from = source.shape();
  const std::int64_t outputs = from[0];
  const std::int64_t inputs = out ? from[3] : from[1];
  const std::int64_t taps = out ? from[1] * from[2] : from[2] * from[3];
  const Shape shape = out ? Shape{outputs, inputs, from[1], from[2]} : Shape{outputs, from[2], from[3], inputs};
  Tensor result(shape, source.dtype());
  with_float(source.dtype(), "model file", [&]<class T>() {
    const T* in = source.data<T>().data();
    T* to = result.data<T>().data();
    for (std::int64_t o = 0; o < outputs; ++o) {
      for (std::int64_t i = 0; i < inputs; ++i) {
        for (std::int64_t t = 0; t < taps; ++t) {
          const std::int64_t memory = (o * taps + t) * inputs + i;
          const std::int64_t file = (o * inputs + i) * taps + t;
          if (out) {
            to[file] = in[memory];
          } else {
            to[memory] = in[file];
          }
        }
      }
    }
  });
  return result;
}

}  // namespace

Shape file_shape(const Parameter& parameter) {
  const Shape& shape = parameter.value.shape();
  return parameter.layout == ParameterLayout::convolution ? Shape{shape[0], shape[3], shape[1], shape[2]} : shape;
}

Tensor in_file_order(const Parameter& parameter, const Tensor& values) {
  return parameter.layout == ParameterLayout::convolution ? reorder_convolution(values, Direction::to_file) : values;
}

Tensor from_file_order(const Parameter& parameter, const Tensor& stored) {
  return parameter.layout == ParameterLayout::convolution ? reorder_convolution(stored, Direction::from_file) : stored;
}

}  // namespace amnet
