#include "parallel.h"

#include <amnet/kernels/bias.h>

namespace amnet {

void bias_backward(Cpu& cpu, const Tensor& dy, const Gradient& dbias) {
  if (!dbias) return;
  require(dy.rank() >= 1, "[bias] expected a gradient (..., C) but got {}.", dy.shape());
  const std::int64_t channels = dy.extent(dy.rank() - 1);
  require(dbias.tensor.shape() == Shape{channels} && dbias.tensor.dtype() == dy.dtype(),
          "[bias] expected a gradient of {} {} but got {} {}.", name_of(dy.dtype()), Shape{channels}, name_of(dbias.tensor.dtype()),
          dbias.tensor.shape());
  if (channels == 0) return;
  with_float(dy.dtype(), "bias", [&]<class T>() {
    const T* dout = dy.data<T>().data();
    sum_over_rows<T>(cpu, dy.count() / channels, channels, dbias.tensor.data<T>().data(), dbias.write, [&](Rows range, T* partial) {
      for (std::int64_t row = range.begin; row < range.end; ++row) {
        for (std::int64_t c = 0; c < channels; ++c) partial[c] += dout[row * channels + c];
      }
    });
  });
}

}  // namespace amnet
