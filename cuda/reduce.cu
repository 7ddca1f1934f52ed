#include <amnet/kernels/reduce.h>

#include "kernels/arguments.h"
#include "rows.h"

namespace amnet {
namespace {

constexpr std::string_view who = "reduce";

float factor_of(Reduction reduction, double coefficient, std::int64_t columns) {
  return static_cast<float>(reduction == Reduction::mean ? coefficient / static_cast<double>(columns) : coefficient);
}

template <class T>
struct ReduceRow {
  const T* x;
  float *y, factor;
  std::int64_t columns;
  Reduction reduction;

  template <class Team>
  AMNET_DEVICE void operator()(const Team& team, std::int64_t row) const {
    double sum = 0;  // a row may be a whole tensor
    team.template each<1>(columns, false, [&](Width<1>, std::int64_t i) {
      const double value = static_cast<double>(to_float(x[row * columns + i]));
      if (reduction == Reduction::absolute_sum) {
        sum += value < 0 ? -value : value;
      } else {
        sum += reduction == Reduction::sum_of_squares ? value * value : value;
      }
    });
    const float total = team.sum(static_cast<float>(sum));
    if (team.lane() == 0) y[row] = factor * total;
  }
};

template <class T>
struct ReduceBackward {
  static constexpr int threads = 256;
  const T* x;  // or nullptr
  const float* dy;
  T* dx;
  std::int64_t count, columns;
  float factor;
  Reduction reduction;
  Write write;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    for (std::int64_t i = thread.first(); i < count; i += thread.step()) {
      float slope = factor * dy[i / columns];
      if (x != nullptr) {
        const float value = to_float(x[i]);
        const float sign = value > 0 ? 1.0F : value < 0 ? -1.0F : 0.0F;
        slope *= reduction == Reduction::absolute_sum ? sign : 2 * value;
      }
      put(dx[i], slope, write);
    }
  }
};

}  // namespace

void reduce_forward(Cuda& cuda, Reduction reduction, double coefficient, const Tensor& x, const Tensor& y) {
  const ReducedRows size(x, y);
  with_activation(x.dtype(), who, [&]<class T>() {
    for_rows(cuda, size.rows, size.columns,
             ReduceRow<T>{.x = elements<const T>(x, who),
                          .y = elements<float>(y, who),
                          .factor = factor_of(reduction, coefficient, size.columns),
                          .columns = size.columns,
                          .reduction = reduction});
  });
}

void reduce_backward(Cuda& cuda, Reduction reduction, double coefficient, const Tensor& x, const Tensor& dy, const Gradient& dx) {
  if (!dx) return;
  const ReducedRows size(dx.tensor, dy);
  with_activation(dx.tensor.dtype(), who, [&]<class T>() {
    const ReduceBackward<T> kernel{.x = reads_values(reduction) ? elements<const T>(x, who) : nullptr,
                                   .dy = elements<const float>(dy, who),
                                   .dx = elements<T>(dx.tensor, who),
                                   .count = dx.tensor.count(),
                                   .columns = size.columns,
                                   .factor = factor_of(reduction, coefficient, size.columns),
                                   .reduction = reduction,
                                   .write = dx.write};
    launch(cuda, blocks_for(cuda, kernel.count, kernel.threads), kernel);
  });
}

}  // namespace amnet
