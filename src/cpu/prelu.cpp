#include <amnet/kernels/prelu.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "lanes.h"

namespace amnet {
namespace {

/// One slope per channel, whether or not they are shared, so that the loops over channels vectorise.
template <class T>
std::vector<T> slopes_of(const Tensor& slope, std::int64_t channels) {
  const std::span<const T> values = slope.data<const T>();
  if (slope.count() == 1) return std::vector<T>(static_cast<std::size_t>(channels), values[0]);
  return {values.begin(), values.end()};
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
    const auto [rows, channels] = matrix_of(x);
    const std::vector<T> expanded = slopes_of<T>(slope, channels);
    const T* slopes = expanded.data();
    const T* in = x.data<T>().data();
    T* out = y.data<T>().data();
    for_rows(cpu, rows, channels, [=, channels = channels](std::int64_t row) {
      const T* from = in + row * channels;
      T* to = out + row * channels;
      for (std::int64_t c = 0; c < channels; ++c) to[c] = from[c] > 0 ? from[c] : slopes[c] * from[c];
    });
  });
}

void prelu_backward(Cpu& cpu, const Tensor& x, const Tensor& slope, const Tensor& dy, const Gradient& dx, const Gradient& dslope) {
  check(x, slope, dy);
  with_float(x.dtype(), "prelu", [&]<class T>() {
    const auto [rows, channels] = matrix_of(x);
    const std::vector<T> expanded = slopes_of<T>(slope, channels);
    const T* slopes = expanded.data();
    const T* in = x.data<T>().data();
    const T* dout = dy.data<T>().data();
    T* din = dx ? dx.tensor.data<T>().data() : nullptr;
    const auto write_row = [=, write = dx.write, channels = channels](std::int64_t row) {
      const T* from = in + row * channels;
      const T* slope_of_y = dout + row * channels;
      T* to = din + row * channels;
      for (std::int64_t c = 0; c < channels; ++c) put(to[c], from[c] > 0 ? slope_of_y[c] : slopes[c] * slope_of_y[c], write);
    };
    if (!dslope) {
      if (dx) for_rows(cpu, rows, channels, write_row);
      return;
    }
    // Both gradients in one pass over x and dy, which come from memory.
    std::vector<T> sums(static_cast<std::size_t>(channels));
    sum_over_rows<T>(cpu, rows, channels, sums.data(), Write::assign, [&, channels = channels](Rows range, T* partial) {
      for (std::int64_t row = range.begin; row < range.end; ++row) {
        const T* from = in + row * channels;
        const T* slope_of_y = dout + row * channels;
        for (std::int64_t c = 0; c < channels; ++c) partial[c] += std::min(from[c], T{0}) * slope_of_y[c];
      }
      for (std::int64_t row = range.begin; din != nullptr && row < range.end; ++row) write_row(row);
    });
    const std::span<T> out = dslope.tensor.data<T>();
    if (slope.count() == 1) {
      put(out[0], static_cast<T>(std::accumulate(sums.begin(), sums.end(), 0.0)), dslope.write);
    } else {
      for (std::size_t c = 0; c < sums.size(); ++c) put(out[c], sums[c], dslope.write);
    }
  });
}

}  // namespace amnet
