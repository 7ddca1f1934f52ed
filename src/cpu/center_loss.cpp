#include <amnet/kernels/center_loss.h>

#include <cmath>
#include <numeric>

#include "sum_of_rows.h"

namespace amnet {
namespace {

/// The derivative of the distance, along one dimension.
template <class T>
T slope_of(const CenterRule& rule, T difference) {
  return rule.distance == NormKind::l2 ? difference : static_cast<T>((difference > 0) - (difference < 0));
}

/// The samples in the order of their classes.
std::vector<std::int64_t> by_class(const std::int64_t* labels, std::int64_t samples) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(samples));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::ranges::stable_sort(order, [labels](std::int64_t a, std::int64_t b) { return labels[a] < labels[b]; });
  return order;
}

}  // namespace

void center_loss_forward(Cpu& cpu, const CenterRule& rule, const Tensor& x, const Tensor& labels, const Tensor& centers,
                         const Tensor& loss) {
  check_labels(labels, x.extent(0), centers.extent(0), "center_loss");
  with_float(x.dtype(), "center_loss", [&]<class T>() {
    const auto [samples, columns] = matrix_of(x);
    const T* in = x.data<const T>().data();
    const T* all = centers.data<const T>().data();
    const std::int64_t* targets = labels.data<const std::int64_t>().data();
    const bool squares = rule.distance == NormKind::l2;
    const double sum = sum_of_rows(cpu, samples, columns, [=, columns = columns](std::int64_t i) {
      const T* row = in + i * columns;
      const T* center = all + targets[i] * columns;
      return static_cast<double>(lane_sum<T>(columns, [=](std::int64_t d) {
        const T difference = row[d] - center[d];
        return squares ? difference * difference : std::abs(difference);
      }));
    });
    loss.data<T>()[0] = static_cast<T>(sum / (static_cast<double>(std::max<std::int64_t>(samples, 1)) * (squares ? 2 : 1)));
  });
}

void center_loss_backward(Cpu& cpu, const CenterRule& rule, const Tensor& x, const Tensor& labels, const Tensor& centers,
                          const Tensor& dloss, const Gradient& dx, const Gradient& dcenters) {
  with_float(x.dtype(), "center_loss", [&]<class T>() {
    const auto [samples, columns] = matrix_of(x);
    const T* in = x.data<const T>().data();
    const T* all = centers.data<const T>().data();
    const std::int64_t* targets = labels.data<const std::int64_t>().data();
    const T share = dloss.data<const T>()[0] / static_cast<T>(std::max<std::int64_t>(samples, 1));
    if (dx) {
      T* to = dx.tensor.data<T>().data();
      for_rows(cpu, samples, columns, [&, columns = columns](std::int64_t i) {
        const T* center = all + targets[i] * columns;
        for (std::int64_t d = 0; d < columns; ++d) {
          put(to[i * columns + d], share * slope_of(rule, in[i * columns + d] - center[d]), dx.write);
        }
      });
    }
    if (!dcenters) return;
    if (dcenters.write == Write::assign) dcenters.tensor.clear();
    T* to = dcenters.tensor.data<T>().data();
    const std::vector<std::int64_t> order = by_class(targets, samples);
    // Each class is one piece of work, done at the first of its samples.
    for_rows(cpu, samples, columns, [&, samples = samples, columns = columns](std::int64_t first) {
      const auto sample = [&](std::int64_t place) { return order[static_cast<std::size_t>(place)]; };
      const std::int64_t label = targets[sample(first)];
      if (first > 0 && targets[sample(first - 1)] == label) return;
      std::int64_t end = first;
      while (end < samples && targets[sample(end)] == label) ++end;
      const auto count = static_cast<double>(end - first);
      const double factor = rule.reference ? count / (count + 1) : static_cast<double>(share);
      const T* center = all + label * columns;
      for (std::int64_t d = 0; d < columns; ++d) {
        double sum = 0;
        for (std::int64_t place = first; place < end; ++place) {
          sum += static_cast<double>(slope_of(rule, in[sample(place) * columns + d] - center[d]));
        }
        to[label * columns + d] += static_cast<T>(-factor * sum);
      }
    });
  });
}

}  // namespace amnet
