#include <amnet/kernels/scale_shift.h>

#include <vector>

#include "kernels/arguments.h"
#include "lanes.h"
#include "matrix_product.h"

namespace amnet {
namespace {

/// out (+)= the sum of term(i) over all elements. In double: one sum over a whole tensor may cancel
/// to far less than its terms.
template <class T, class Term>
void sum_all(Cpu& cpu, std::int64_t count, const Gradient& out, Term&& term) {
  double sum = 0;
  sum_over_rows<double>(cpu, count, 1, &sum, Write::assign, [&](Rows range, double* partial) {
    *partial = lane_sum<double>(range.end - range.begin, [&](std::int64_t i) { return static_cast<double>(term(range.begin + i)); });
  });
  put(out.tensor.data<T>()[0], static_cast<T>(sum), out.write);
}

template <class T>
void scale_run(std::int64_t count, const T* dy, const T* scales, T* __restrict dx, Write write) {
  for (std::int64_t i = 0; i < count; ++i) put(dx[i], dy[i] * scales[i], write);
}
template <class T>
void add_products(std::int64_t count, const T* x, const T* dy, T* __restrict sums) {
  for (std::int64_t i = 0; i < count; ++i) sums[i] += x[i] * dy[i];
}

/// All gradients of one scale per channel in one pass: a run of dy is still in the first-level
/// cache when it is read again.
template <class T>
void backward_channels(Cpu& cpu, Matrix size, const T* x, const T* scales, const T* dy, T* dx, Write write, const Gradient& dscale,
                       const Gradient& dshift) {
  const std::int64_t columns = size.columns, run = run_of(columns);
  const std::vector<T> run_scales = over_a_run<T>({scales, static_cast<std::size_t>(columns)}, columns);
  std::vector<T> sums(static_cast<std::size_t>(2 * columns));  // of x dy, then of dy
  sum_over_rows<T>(cpu, size.rows, 2 * columns, sums.data(), Write::assign, [&](Rows range, T* partial) {
    std::vector<T> lanes(static_cast<std::size_t>(2 * run));
    const std::int64_t end = range.end * columns;
    for (std::int64_t begin = range.begin * columns; begin < end; begin += run) {
      const std::int64_t count = std::min(run, end - begin);
      if (dscale) add_products(count, x + begin, dy + begin, lanes.data());
      if (dshift) put_all(lanes.data() + run, dy + begin, count, Write::add);
      // last: it may be written over x
      if (dx != nullptr) scale_run(count, dy + begin, run_scales.data(), dx + begin, write);
    }
    for (std::int64_t i = 0; i < run; i += columns) {
      put_all(partial, lanes.data() + i, columns, Write::add);
      put_all(partial + columns, lanes.data() + run + i, columns, Write::add);
    }
  });
  for (std::int64_t c = 0; c < columns; ++c) {
    if (dscale) put(dscale.tensor.data<T>()[static_cast<std::size_t>(c)], sums[static_cast<std::size_t>(c)], dscale.write);
    if (dshift) put(dshift.tensor.data<T>()[static_cast<std::size_t>(c)], sums[static_cast<std::size_t>(columns + c)], dshift.write);
  }
}

}  // namespace

void scale_shift_forward(Cpu& cpu, const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& y) {
  check_scale_shift(x, scale);
  with_float(x.dtype(), "scale_shift", [&]<class T>() {
    const Matrix size = matrix_of(x);
    const T* in = x.data<T>().data();
    const T* scales = scale.data<T>().data();
    const T* shifts = shift.defined() ? shift.data<T>().data() : nullptr;
    T* out = y.data<T>().data();
    if (scale.count() == 1) {
      const T by = scales[0];
      const T plus = shifts != nullptr ? shifts[0] : T{0};
      for_elements(cpu, x.count(), [=](std::int64_t i) { out[i] = in[i] * by + plus; });
      return;
    }
    for_rows(cpu, size.rows, size.columns, [&](std::int64_t row) {
      const T* from = in + row * size.columns;
      T* to = out + row * size.columns;
      if (shifts != nullptr) {
        for (std::int64_t c = 0; c < size.columns; ++c) to[c] = from[c] * scales[c] + shifts[c];
      } else {
        for (std::int64_t c = 0; c < size.columns; ++c) to[c] = from[c] * scales[c];
      }
    });
  });
}

void scale_shift_backward(Cpu& cpu, const Tensor& x, const Tensor& scale, const Tensor& dy, const Gradient& dx, const Gradient& dscale,
                          const Gradient& dshift) {
  check_scale_shift(dy, scale);
  with_float(dy.dtype(), "scale_shift", [&]<class T>() {
    const Matrix size = matrix_of(dy);
    const T* dout = dy.data<T>().data();
    const T* in = dscale ? x.data<T>().data() : nullptr;
    const T* scales = scale.data<T>().data();
    T* din = dx ? dx.tensor.data<T>().data() : nullptr;
    if (scale.count() != 1) {
      backward_channels(cpu, size, in, scales, dout, din, dx.write, dscale, dshift);
      return;
    }
    if (dscale) sum_all<T>(cpu, dy.count(), dscale, [=](std::int64_t i) { return in[i] * dout[i]; });
    if (dshift) sum_all<T>(cpu, dy.count(), dshift, [=](std::int64_t i) { return dout[i]; });
    if (dx) {  // last: it may be written over x
      for_elements(cpu, dy.count(), [=, by = scales[0], write = dx.write](std::int64_t i) { put(din[i], dout[i] * by, write); });
    }
  });
}

}  // namespace amnet
