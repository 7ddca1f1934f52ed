#include <amnet/kernels/scale_shift.h>

#include "lanes.h"

namespace amnet {
namespace {

/// out (+)= the sum of term(i) over all elements i of a channel: of every channel where `columns` is their number, else of all in one.
template <class T, class Term>
void sum_channels(Cpu& cpu, Matrix size, const Gradient& out, Term&& term) {
  T* sums = out.tensor.data<T>().data();
  if (out.tensor.count() == 1) {
    // In double: one sum over a whole tensor may cancel to far less than its terms.
    double sum = 0;
    sum_over_rows<double>(cpu, size.rows * size.columns, 1, &sum, Write::assign, [&](Rows range, double* partial) {
      *partial = lane_sum<double>(range.end - range.begin, [&](std::int64_t i) { return static_cast<double>(term(range.begin + i)); });
    });
    put(sums[0], static_cast<T>(sum), out.write);
    return;
  }
  sum_over_rows<T>(cpu, size.rows, size.columns, sums, out.write, [&](Rows range, T* partial) {
    for (std::int64_t row = range.begin; row < range.end; ++row) {
      for (std::int64_t c = 0; c < size.columns; ++c) partial[c] += term(row * size.columns + c);
    }
  });
}

void check(const Tensor& value, const Tensor& scale) {
  require(scale.count() == 1 || scale.count() == matrix_of(value).columns,
          "[scale_shift] expected one scale for each of {} channels, or one in all, but got {}.", matrix_of(value).columns, scale.shape());
}

}  // namespace

void scale_shift_forward(Cpu& cpu, const Tensor& x, const Tensor& scale, const Tensor& shift, const Tensor& y) {
  check(x, scale);
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
  check(dy, scale);
  with_float(dy.dtype(), "scale_shift", [&]<class T>() {
    const Matrix size = matrix_of(dy);
    const T* dout = dy.data<T>().data();
    if (dscale) {
      const T* in = x.data<T>().data();
      sum_channels<T>(cpu, size, dscale, [&](std::int64_t i) { return in[i] * dout[i]; });
    }
    if (dshift) sum_channels<T>(cpu, size, dshift, [&](std::int64_t i) { return dout[i]; });
    if (dx) {  // last: it may be written over x
      const T* scales = scale.data<T>().data();
      T* din = dx.tensor.data<T>().data();
      if (scale.count() == 1) {
        const T by = scales[0];
        for_elements(cpu, dy.count(), [=, write = dx.write](std::int64_t i) { put(din[i], dout[i] * by, write); });
      } else {
        for_rows(cpu, size.rows, size.columns, [&](std::int64_t row) {
          const T* from = dout + row * size.columns;
          T* to = din + row * size.columns;
          for (std::int64_t c = 0; c < size.columns; ++c) put(to[c], from[c] * scales[c], dx.write);
        });
      }
    }
  });
}

}  // namespace amnet
