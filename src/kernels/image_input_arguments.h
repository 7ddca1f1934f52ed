// What image_input asks of its arguments, in every backend. Throws UsageError.
#pragma once

#include <amnet/kernels/image_input.h>

namespace amnet {

/// pixels (N,H,W,C), or (images,H,W,C) and N indices; N mirror flags; y (N,H,W,C).
inline void check_image_input(const ImagePixels& pixels, const Tensor& mirror, const Tensor& y) {
  const Tensor &values = pixels.values, &indices = pixels.indices;
  const bool chosen = indices.defined();
  require(values.rank() == 4 && y.rank() == 4 && y.shape().with(0, values.extent(0)) == values.shape() &&
              (chosen || y.extent(0) == values.extent(0)),
          "[image_input] expected pixels and an output (N,H,W,C) but got {} and {}.", values.shape(), y.shape());
  require(mirror.count() == y.extent(0), "[image_input] expected one mirror flag for each of {} images but got {}.", y.extent(0),
          mirror.shape());
  require(!chosen || indices.count() == y.extent(0), "[image_input] expected one index for each of {} images but got {}.", y.extent(0),
          indices.shape());
}

}  // namespace amnet
