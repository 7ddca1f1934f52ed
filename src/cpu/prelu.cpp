#include "parallel.h"

#include <amnet/kernels/prelu.h>

namespace amnet {
namespace {

template <class T>
struct Slopes {
  const T* values;
  std::int64_t stride;  // 0 when all channels share one slope
  T operator[](std::int64_t channel) const { return values[channel * stride]; }
};

template <class T>
Slopes<T> slopes_of(const Tensor& slope) {
  return {slope.data<T>().data(), slope.count() == 1 ? 0 : 1};
}

void check(const Tensor& x, const Tensor& slope, const Tensor& y) {
  const std::int64_t channels = x.extent(x.rank() - 1);
  require(slope.count() == channels || slope.count() == 1, "[prelu] expected one slope for each of {} channels, or one in all, but got {}.",
          channels, slope.shape());
  require(y.shape() == x.shape() && y.dtype() == x.dtype(), "[prelu] expected the other side as {} {} but got {} {}.", name_of(x.dtype()),
          x.shape(), name_of(y.dtype()), y.shape());
}

}  // namespace

void prelu_forward(Cpu& cpu, const Tensor& x, const Tensor& slope, const Tensor& y) {
  check(x, slope, y);
  with_float(x.dtype(), "prelu", [&]<class T>() {
    const std::int64_t channels = x.extent(x.rank() - 1);
    const std::int64_t rows = x.count() / channels;
    const T* in = x.data<T>().data();
    T* out = y.data<T>().data();
    const Slopes<T> slopes = slopes_of<T>(slope);
    const std::int64_t pieces = pieces_of(rows, channels);
    parallel_for(cpu, pieces, [&](std::int64_t piece, int) {
      const auto [begin, end] = piece_rows(rows, pieces, piece);
      for (std::int64_t row = begin; row < end; ++row) {
        for (std::int64_t c = 0; c < channels; ++c) {
          const T value = in[row * channels + c];
          out[row * channels + c] = value > 0 ? value : slopes[c] * value;
        }
      }
    });
  });
}

void prelu_backward(Cpu& cpu, const Tensor& x, const Tensor& slope, const Tensor& dy, const Gradient& dx, const Gradient& dslope) {
  check(x, slope, dy);
  with_float(x.dtype(), "prelu", [&]<class T>() {
    const std::int64_t channels = x.extent(x.rank() - 1);
    const std::int64_t rows = x.count() / channels;
    const T* in = x.data<T>().data();
    const T* dout = dy.data<T>().data();
    const Slopes<T> slopes = slopes_of<T>(slope);
    if (dx) {
      T* din = dx.tensor.data<T>().data();
      const std::int64_t pieces = pieces_of(rows, channels);
      parallel_for(cpu, pieces, [&](std::int64_t piece, int) {
        const auto [begin, end] = piece_rows(rows, pieces, piece);
        for (std::int64_t row = begin; row < end; ++row) {
          for (std::int64_t c = 0; c < channels; ++c) {
            const std::int64_t i = row * channels + c;
            put(din[i], in[i] > 0 ? dout[i] : slopes[c] * dout[i], dx.write);
          }
        }
      });
    }
    if (dslope) {
      T* out = dslope.tensor.data<T>().data();
      const bool shared = slope.count() == 1;
      sum_over_rows<T>(cpu, rows, shared ? 1 : channels, out, dslope.write, [&](Rows range, T* partial) {
        for (std::int64_t row = range.begin; row < range.end; ++row) {
          for (std::int64_t c = 0; c < channels; ++c) {
            const std::int64_t i = row * channels + c;
            partial[shared ? 0 : c] += in[i] > 0 ? T{0} : in[i] * dout[i];
          }
        }
      });
    }
  });
}

}  // namespace amnet
