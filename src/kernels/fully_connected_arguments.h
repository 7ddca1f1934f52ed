// What a fully connected layer asks of its arguments, in every backend. Throws UsageError.
#pragma once

#include <amnet/kernels/fully_connected.h>

#include <string_view>

namespace amnet {

struct FullyConnectedSizes {
  std::int64_t samples, inputs, outputs;
};

/// x (N,I), w (O,I), y (N,O).
inline FullyConnectedSizes fully_connected_sizes(const Tensor& x, const Tensor& w, const Tensor& y) {
  require(x.rank() == 2 && w.rank() == 2 && w.extent(1) == x.extent(1),
          "[fully_connected] expected x (N,I) and weights (O,I) with one I but got {} and {}.", x.shape(), w.shape());
  const Shape wanted{x.extent(0), w.extent(0)};
  require(y.shape() == wanted, "[fully_connected] expected outputs {} but got {}.", wanted, y.shape());
  return {x.extent(0), x.extent(1), w.extent(0)};
}

/// values: one for each output, or undefined.
inline void check_output_values(const Tensor& values, std::string_view name, const FullyConnectedSizes& sizes) {
  require(!values.defined() || values.count() == sizes.outputs, "[fully_connected] expected one {} for each of {} outputs but got {}.",
          name, sizes.outputs, values.shape());
}

}  // namespace amnet
