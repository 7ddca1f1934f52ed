#include <amnet/kernels/hard_margin.h>

#include <numbers>
#include <vector>

#include "kernels/margin_arguments.h"
#include "lanes.h"

namespace amnet {
namespace {

constexpr std::string_view who = "hard_margin";

}  // namespace

void hard_margin_forward(Cpu& cpu, double weight, const Tensor& x, const Tensor& labels, const Tensor& y, const Tensor& mean) {
  check_labelled(x, labels, y, who, 2);
  with_float(x.dtype(), who, [&]<class T>() {
    const auto [rows, columns] = matrix_of(x);
    const T* in = x.data<T>().data();
    const std::int64_t* targets = labels.data<std::int64_t>().data();
    T* out = y.data<T>().data();
    std::vector<double> margins(static_cast<std::size_t>(rows));
    for_rows(cpu, rows, columns, [&, columns = columns](std::int64_t row) {
      const T* from = in + row * columns;
      T* to = out + row * columns;
      const std::int64_t target = targets[row];
      const double sum = lane_sum<double>(columns, [=](std::int64_t i) { return i == target ? 0.0 : static_cast<double>(from[i]); });
      const double margin = (sum / static_cast<double>(columns - 1) - static_cast<double>(from[target])) * (1 - weight);
      std::copy_n(from, columns, to);
      to[target] = static_cast<T>(static_cast<double>(from[target]) + margin);
      margins[static_cast<std::size_t>(row)] = margin;
    });
    if (!mean.defined()) return;
    check_values(mean, 1, x.dtype(), "mean", who);
    double sum = 0;
    for (const double margin : margins) sum += margin;
    mean.data<T>()[0] = static_cast<T>(sum / static_cast<double>(std::max<std::int64_t>(rows, 1)) * 180 / std::numbers::pi);
  });
}

void hard_margin_backward(Cpu& cpu, double weight, const Tensor& labels, const Tensor& dy, const Tensor& dmean, const Gradient& dx) {
  if (!dx) return;
  check_labelled(dx.tensor, labels, dy.defined() ? dy : dx.tensor, who, 2);
  with_float(dx.tensor.dtype(), who, [&]<class T>() {
    const auto [rows, columns] = matrix_of(dx.tensor);
    const T* slopes = dy.defined() ? dy.data<T>().data() : nullptr;
    const std::int64_t* targets = labels.data<std::int64_t>().data();
    T* out = dx.tensor.data<T>().data();
    const double of_mean =
        dmean.defined() ? static_cast<double>(dmean.data<T>()[0]) * 180 / std::numbers::pi / static_cast<double>(rows) : 0;
    for_rows(cpu, rows, columns, [=, columns = columns, write = dx.write](std::int64_t row) {
      const T* slope = slopes != nullptr ? slopes + row * columns : nullptr;
      T* to = out + row * columns;
      const std::int64_t target = targets[row];
      const double own = slope != nullptr ? static_cast<double>(slope[target]) : 0;
      const double passed = (1 - weight) * (own + of_mean);  // from the target to the others
      const T share = static_cast<T>(passed / static_cast<double>(columns - 1));
      for (std::int64_t i = 0; i < columns; ++i) {
        if (i != target) put(to[i], (slope != nullptr ? slope[i] : T{0}) + share, write);
      }
      put(to[target], static_cast<T>(own - passed), write);
    });
  });
}

}  // namespace amnet
