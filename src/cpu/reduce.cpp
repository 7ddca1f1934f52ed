#include <amnet/kernels/reduce.h>

#include <cmath>

#include "kernels/arguments.h"
#include "lanes.h"

namespace amnet {
namespace {

double factor_of(Reduction reduction, double coefficient, std::int64_t columns) {
  return reduction == Reduction::mean ? coefficient / static_cast<double>(columns) : coefficient;
}

/// y = factor times the sum of term(i) over the row's elements i, in double: a sum may cancel to
/// far less than its terms. A single row is divided among the threads.
template <class T, class Term>
void sum_rows(Cpu& cpu, const ReducedRows& size, double factor, T* y, const Term& term) {
  if (size.rows == 1) {
    double sum = 0;
    sum_over_rows<double>(cpu, size.columns, 1, &sum, Write::assign, [&](Rows range, double* partial) {
      *partial = lane_sum<double>(range.end - range.begin, [&](std::int64_t i) { return term(range.begin + i); });
    });
    y[0] = static_cast<T>(factor * sum);
    return;
  }
  for_rows(cpu, size.rows, size.columns, [=, columns = size.columns](std::int64_t row) {
    y[row] = static_cast<T>(factor * lane_sum<double>(columns, [&](std::int64_t i) { return term(row * columns + i); }));
  });
}

/// dx (+)= slope(i, dy of the row) for each element i.
template <class T, class Slope>
void write_rows(Cpu& cpu, const ReducedRows& size, const T* dy, const Gradient& dx, const Slope& slope) {
  T* din = dx.tensor.data<T>().data();
  if (size.rows == 1) {
    for_elements(cpu, size.columns, [=, write = dx.write](std::int64_t i) { put(din[i], slope(i, dy[0]), write); });
    return;
  }
  for_rows(cpu, size.rows, size.columns, [=, columns = size.columns, write = dx.write](std::int64_t row) {
    const T dout = dy[row];
    for (std::int64_t i = row * columns; i < (row + 1) * columns; ++i) put(din[i], slope(i, dout), write);
  });
}

}  // namespace

void reduce_forward(Cpu& cpu, Reduction reduction, double coefficient, const Tensor& x, const Tensor& y) {
  const ReducedRows size(x, y);
  const double factor = factor_of(reduction, coefficient, size.columns);
  with_float(x.dtype(), "reduce", [&]<class T>() {
    const T* in = x.data<T>().data();
    T* out = y.data<T>().data();
    const auto value = [in](std::int64_t i) { return static_cast<double>(in[i]); };
    switch (reduction) {
      case Reduction::sum:
      case Reduction::mean: sum_rows(cpu, size, factor, out, value); break;
      case Reduction::absolute_sum: sum_rows(cpu, size, factor, out, [=](std::int64_t i) { return std::abs(value(i)); }); break;
      case Reduction::sum_of_squares: sum_rows(cpu, size, factor, out, [=](std::int64_t i) { return value(i) * value(i); }); break;
    }
  });
}

void reduce_backward(Cpu& cpu, Reduction reduction, double coefficient, const Tensor& x, const Tensor& dy, const Gradient& dx) {
  if (!dx) return;
  const ReducedRows size(dx.tensor, dy);
  with_float(dy.dtype(), "reduce", [&]<class T>() {
    const T* dout = dy.data<T>().data();
    const T* in = reads_values(reduction) ? x.data<T>().data() : nullptr;
    const auto factor = static_cast<T>(factor_of(reduction, coefficient, size.columns));
    switch (reduction) {
      case Reduction::sum:
      case Reduction::mean: write_rows(cpu, size, dout, dx, [=](std::int64_t, T slope) { return factor * slope; }); break;
      case Reduction::absolute_sum:
        write_rows(cpu, size, dout, dx,
                   [=](std::int64_t i, T slope) { return factor * slope * static_cast<T>((in[i] > 0 ? 1 : 0) - (in[i] < 0 ? 1 : 0)); });
        break;
      case Reduction::sum_of_squares:
        write_rows(cpu, size, dout, dx, [=](std::int64_t i, T slope) { return factor * slope * 2 * in[i]; });
        break;
    }
  });
}

}  // namespace amnet
