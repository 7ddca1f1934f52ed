#include <amnet/kernels/prelu.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "kernels/arguments.h"
#include "lanes.h"

namespace amnet {
namespace {

/// y = x > 0 ? v : slope v: the forward with v = x, the backward with v = dy.
template <class T>
void rectify(std::int64_t count, const T* x, const T* slopes, const T* v, T* __restrict y, Write write) {
  if (write == Write::add) {
    for (std::int64_t i = 0; i < count; ++i) y[i] += x[i] > 0 ? v[i] : slopes[i] * v[i];
  } else {
    for (std::int64_t i = 0; i < count; ++i) y[i] = x[i] > 0 ? v[i] : slopes[i] * v[i];
  }
}

/// sums += x dy where x <= 0.
template <class T>
void add_negative_products(std::int64_t count, const T* x, const T* dy, T* __restrict sums) {
  for (std::int64_t i = 0; i < count; ++i) sums[i] += std::min(x[i], T{0}) * dy[i];
}

}  // namespace

void prelu_forward(Cpu& cpu, const Tensor& x, const Tensor& slope, const Tensor& y) {
  check_prelu(x, slope, y);
  with_float(x.dtype(), "prelu", [&]<class T>() {
    const auto [rows, channels] = matrix_of(x);
    const std::vector<T> slopes = over_a_run<T>(slope.data<const T>(), channels);
    const T* in = x.data<T>().data();
    T* out = y.data<T>().data();
    for_runs(cpu, rows, channels, [in, out, slopes = slopes.data()](std::int64_t begin, std::int64_t length) {
      rectify(length, in + begin, slopes, in + begin, out + begin, Write::assign);
    });
  });
}

void prelu_backward(Cpu& cpu, const Tensor& x, const Tensor& slope, const Tensor& dy, const Gradient& dx, const Gradient& dslope) {
  check_prelu(x, slope, dy);
  with_float(x.dtype(), "prelu", [&]<class T>() {
    const auto [rows, channels] = matrix_of(x);
    const std::vector<T> slopes = over_a_run<T>(slope.data<const T>(), channels);
    const T* in = x.data<T>().data();
    const T* dout = dy.data<T>().data();
    T* din = dx ? dx.tensor.data<T>().data() : nullptr;
    const auto pass_back = [in, dout, din, write = dx.write, slopes = slopes.data()](std::int64_t begin, std::int64_t length) {
      if (din != nullptr) rectify(length, in + begin, slopes, dout + begin, din + begin, write);
    };
    if (!dslope) {
      for_runs(cpu, rows, channels, pass_back);
      return;
    }
    // One pass for both gradients: a run of x and dy is still in the first-level cache when it is
    // read again.
    std::vector<T> sums(static_cast<std::size_t>(channels));
    sum_over_runs<T>(cpu, rows, channels, sums.data(), Write::assign, [=](std::int64_t begin, std::int64_t length, T* partial) {
      pass_back(begin, length);
      add_negative_products(length, in + begin, dout + begin, partial);
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
