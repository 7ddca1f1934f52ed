#include <amnet/kernels/euclidean_loss.h>

#include "sum_of_rows.h"

namespace amnet {
namespace {

Matrix samples_of(const Tensor& tensor) {
  const std::int64_t samples = tensor.extent(0);
  return {samples, samples == 0 ? 0 : tensor.count() / samples};
}

}  // namespace

void euclidean_loss_forward(Cpu& cpu, const Tensor& a, const Tensor& b, const Tensor& loss) {
  with_float(a.dtype(), "euclidean_loss", [&]<class T>() {
    const auto [samples, columns] = samples_of(a);
    const T* left = a.data<const T>().data();
    const T* right = b.data<const T>().data();
    const double sum = sum_of_rows(cpu, samples, columns, [=, columns = columns](std::int64_t row) {
      const T* one = left + row * columns;
      const T* other = right + row * columns;
      return static_cast<double>(lane_sum<T>(columns, [=](std::int64_t i) { return (one[i] - other[i]) * (one[i] - other[i]); }));
    });
    loss.data<T>()[0] = static_cast<T>(sum / (2 * static_cast<double>(std::max<std::int64_t>(samples, 1))));
  });
}

void euclidean_loss_backward(Cpu& cpu, const Tensor& a, const Tensor& b, const Tensor& dloss, const Gradient& da, const Gradient& db) {
  with_float(a.dtype(), "euclidean_loss", [&]<class T>() {
    const T share = dloss.data<const T>()[0] / static_cast<T>(std::max<std::int64_t>(a.extent(0), 1));
    const auto write = [&](const Gradient& gradient, const Tensor& own, const Tensor& other) {
      if (!gradient) return;
      for_elements(cpu, own.count(),
                   [to = gradient.tensor.data<T>().data(), from = own.data<const T>().data(), less = other.data<const T>().data(), share,
                    how = gradient.write](std::int64_t i) { put(to[i], share * (from[i] - less[i]), how); });
    };
    write(da, a, b);
    write(db, b, a);
  });
}

}  // namespace amnet
