#include <amnet/kernels/softmax.h>

#include <cmath>

#include "exponential.h"
#include "kernels/arguments.h"
#include "lanes.h"

namespace amnet {
namespace {

/// to = exp(from - shift).
template <class T>
void exponentials(const T* from, T* to, std::int64_t count, T shift) {
  std::int64_t i = 0;
  for (; i + lanes<T> <= count; i += lanes<T>) store(to + i, exponential<T>(load(from + i) - shift));
  if (i == count) return;
  T rest[lanes<T>];
  std::fill_n(rest, lanes<T>, shift);
  std::copy(from + i, from + count, rest);
  store(rest, exponential<T>(load(rest) - shift));
  std::copy(rest, rest + (count - i), to + i);
}

}  // namespace

void softmax_forward(Cpu& cpu, const Tensor& x, const Tensor& y) {
  check_softmax(x, y);
  with_float(x.dtype(), "softmax", [&]<class T>() {
    const auto [rows, columns] = matrix_of(x);
    const T* in = x.data<T>().data();
    T* out = y.data<T>().data();
    for_rows(cpu, rows, columns, [=, columns = columns](std::int64_t row) {
      const T* from = in + row * columns;
      T* to = out + row * columns;
      exponentials(from, to, columns, lane_max(from, columns));
      const double sum = lane_sum<double>(columns, [to](std::int64_t i) { return static_cast<double>(to[i]); });
      const T inverse = static_cast<T>(1 / sum);
      for (std::int64_t i = 0; i < columns; ++i) to[i] *= inverse;
    });
  });
}

void softmax_backward(Cpu& cpu, const Tensor& y, const Tensor& dy, const Gradient& dx) {
  if (!dx) return;
  check_softmax(y, dy);
  check_softmax(y, dx.tensor);
  with_float(y.dtype(), "softmax", [&]<class T>() {
    const auto [rows, columns] = matrix_of(y);
    const T* out = y.data<T>().data();
    const T* dout = dy.data<T>().data();
    T* din = dx.tensor.data<T>().data();
    for_rows(cpu, rows, columns, [=, columns = columns, write = dx.write](std::int64_t row) {
      const T* share = out + row * columns;
      const T* slope = dout + row * columns;
      T* to = din + row * columns;
      const auto mean = static_cast<T>(
          lane_sum<double>(columns, [=](std::int64_t i) { return static_cast<double>(share[i]) * static_cast<double>(slope[i]); }));
      for (std::int64_t i = 0; i < columns; ++i) put(to[i], share[i] * (slope[i] - mean), write);
    });
  });
}

}  // namespace amnet
