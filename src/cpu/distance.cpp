#include <amnet/kernels/distance.h>

#include <cmath>
#include <vector>

#include "kernels/margin_arguments.h"
#include "lanes.h"

namespace amnet {
namespace {

constexpr std::string_view who = "distance";

/// The gradient of a distance by the first of two coordinates, for one of the second kind.
struct Slope {
  DistanceGradientOptions options;

  /// Adds it to each sum: `from` and `to` are two points.
  template <class T>
  void add(double slope, const T* from, const T* to, std::int64_t inputs, double* sums) const {
    if (options.kind == DistanceKind::l2) {
      for (std::int64_t i = 0; i < inputs; ++i) sums[i] += slope * static_cast<double>(from[i] - to[i]);
    } else if (options.reference) {
      for (std::int64_t i = 0; i < inputs; ++i) sums[i] += slope * (from[i] > to[i] ? 1 : 0) - (from[i] < to[i] ? 1 : 0);
    } else {
      for (std::int64_t i = 0; i < inputs; ++i) sums[i] += slope * ((from[i] > to[i] ? 1 : 0) - (from[i] < to[i] ? 1 : 0));
    }
  }
  double factor() const { return options.kind == DistanceKind::l2 ? 2 : 1; }
};

}  // namespace

void distance_forward(Cpu& cpu, DistanceKind kind, const Tensor& x, const Tensor& centres, const Tensor& y) {
  const auto [samples, inputs, outputs] = distance_sizes(x, centres, {}, y);
  with_float(x.dtype(), who, [&, samples = samples, inputs = inputs, outputs = outputs]<class T>() {
    const T *in = x.data<T>().data(), *points = centres.data<T>().data();
    T* out = y.data<T>().data();
    for_rows(cpu, samples, outputs * inputs, [=](std::int64_t sample) {
      const T* from = in + sample * inputs;
      for (std::int64_t o = 0; o < outputs; ++o) {
        const T* to = points + o * inputs;
        out[sample * outputs + o] = kind == DistanceKind::l2
                                        ? lane_sum<T>(inputs, [=](std::int64_t i) { return (from[i] - to[i]) * (from[i] - to[i]); })
                                        : lane_sum<T>(inputs, [=](std::int64_t i) { return std::abs(from[i] - to[i]); });
      }
    });
  });
}

void distance_backward(Cpu& cpu, const DistanceGradientOptions& options, const Tensor& x, const Tensor& centres, const Tensor& labels,
                       const Tensor& dy, const Gradient& dx, const Gradient& dw) {
  const auto [samples, inputs, outputs] = distance_sizes(x, centres, labels, dy);
  with_float(x.dtype(), who, [&, samples = samples, inputs = inputs, outputs = outputs]<class T>() {
    const T *in = x.data<T>().data(), *points = centres.data<T>().data(), *slopes = dy.data<T>().data();
    const std::int64_t* only = labels.defined() ? labels.data<std::int64_t>().data() : nullptr;
    const Slope slope{options};
    const auto write_sums = [&](const Gradient& gradient, std::int64_t row, const std::vector<double>& sums) {
      T* to = gradient.tensor.template data<T>().data() + row * inputs;
      for (std::size_t i = 0; i < sums.size(); ++i) put(to[i], static_cast<T>(slope.factor() * sums[i]), gradient.write);
    };
    if (dx) {
      for_rows(cpu, samples, outputs * inputs, [&](std::int64_t sample) {
        std::vector<double> sums(static_cast<std::size_t>(inputs));
        for (std::int64_t o = 0; o < outputs; ++o) {
          slope.add(static_cast<double>(slopes[sample * outputs + o]), in + sample * inputs, points + o * inputs, inputs, sums.data());
        }
        write_sums(dx, sample, sums);
      });
    }
    if (!dw) return;
    for_rows(cpu, outputs, samples * inputs, [&](std::int64_t o) {
      std::vector<double> sums(static_cast<std::size_t>(inputs));
      for (std::int64_t n = 0; n < samples; ++n) {
        if (only != nullptr && only[n] != o) continue;
        slope.add(static_cast<double>(slopes[n * outputs + o]), points + o * inputs, in + n * inputs, inputs, sums.data());
      }
      write_sums(dw, o, sums);
    });
  });
}

}  // namespace amnet
