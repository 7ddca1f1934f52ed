#include "kernels/arguments.h"
#include "parallel.h"

#include <amnet/kernels/bias.h>

namespace amnet {

void bias_backward(Cpu& cpu, const Tensor& dy, const Gradient& dbias) {
  if (!dbias) return;
  check_bias(dy, dbias.tensor);
  const std::int64_t channels = dy.extent(dy.rank() - 1);
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
