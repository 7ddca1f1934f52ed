#include <amnet/kernels/lse_margin.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/arguments.h"
#include "kernels/margin_arguments.h"
#include "kernels/mean_shift.h"
#include "lanes.h"

namespace amnet {
namespace {

constexpr std::string_view who = "lse_margin";

/// What the margin of a batch is made of, for one sample.
struct Sample {
  double target, lse, largest;  // the largest of the others, and at least -1
  double margin() const { return target - lse; }
};

template <class T>
Sample sample_of(const T* x, std::int64_t classes, std::int64_t target, T scale) {
  const T largest = std::max({T{-1}, lane_max(x, target), lane_max(x + target + 1, classes - target - 1)});
  const double sum = lane_sum<double>(
      classes, [=](std::int64_t i) { return i == target ? 0.0 : static_cast<double>(std::exp(scale * (x[i] - largest))); });
  return {static_cast<double>(x[target]), std::log(sum) / static_cast<double>(scale) + static_cast<double>(largest),
          static_cast<double>(largest)};
}

template <class Value>
double mean_of(const std::vector<Sample>& samples, Value&& value) {
  double sum = 0;
  for (const Sample& sample : samples) sum += value(sample);
  return sum / static_cast<double>(std::max<std::size_t>(samples.size(), 1));
}

double moved(double margin, const std::vector<Sample>& samples) {
  if (samples.empty()) return margin;
  return moved_margin(margin, mean_of(samples, [](const Sample& sample) { return sample.margin(); }), [&](double mu) {
    NearValues near{0, 0};
    for (const Sample& sample : samples) {
      if (!(std::abs(sample.margin() - mu) < 0.1)) continue;
      near.sum += sample.margin();
      ++near.count;
    }
    return near;
  });
}

}  // namespace

void lse_margin_forward(Cpu& cpu, const LseMarginOptions& options, const Tensor& x, const Tensor& labels, const Tensor& norms,
                        const Tensor& scale, const Tensor& margin, const Tensor& applied, const Tensor& y, const Tensor& statistics) {
  check_lse_margin(x, labels, norms, scale, applied, y);
  check_values(margin, 1, x.dtype(), "margin", who);
  with_float(x.dtype(), who, [&]<class T>() {
    const auto [rows, columns] = matrix_of(x);
    const T *in = x.data<T>().data(), *each = elements_or_null<const T>(norms);
    const std::int64_t* targets = labels.data<std::int64_t>().data();
    T* out = y.data<T>().data();
    T& common = scale.data<T>()[0];
    common = static_cast<T>(std::min(std::max(static_cast<double>(common), options.min_scale), options.max_scale));
    const T s = common;
    std::vector<Sample> samples(options.applies || statistics.defined() ? static_cast<std::size_t>(rows) : 0);
    if (!samples.empty()) {
      for_rows(cpu, rows, columns, [&, columns = columns](std::int64_t row) {
        samples[static_cast<std::size_t>(row)] = sample_of(in + row * columns, columns, targets[row], each != nullptr ? each[row] : s);
      });
    }
    T& running = margin.data<T>()[0];
    if (options.applies) running = static_cast<T>(moved(static_cast<double>(running), samples));
    const T subtracted = options.applies && running > 0 ? running : T{0};
    applied.data<T>()[0] = subtracted;
    for_rows(cpu, rows, columns, [=, columns = columns](std::int64_t row) {
      const T *from = in + row * columns, factor = each != nullptr ? each[row] : s;
      T* to = out + row * columns;
      for (std::int64_t i = 0; i < columns; ++i) to[i] = factor * from[i];
      to[targets[row]] = factor * (from[targets[row]] - subtracted);
    });
    if (!statistics.defined()) return;
    check_values(statistics, 5, x.dtype(), "statistics", who);
    auto mean_scale = static_cast<double>(s);
    if (each != nullptr) {
      const double sum = lane_sum<double>(rows, [=](std::int64_t row) { return static_cast<double>(each[row]); });
      mean_scale = sum / static_cast<double>(std::max<std::int64_t>(rows, 1));
    }
    const double values[] = {mean_scale, mean_of(samples, [](const Sample& sample) { return sample.target; }),
                             mean_of(samples, [](const Sample& sample) { return sample.lse; }),
                             mean_of(samples, [](const Sample& sample) { return sample.largest; }), static_cast<double>(running)};
    for (std::size_t i = 0; i < 5; ++i) statistics.data<T>()[i] = static_cast<T>(values[i]);
  });
}

void lse_margin_backward(Cpu& cpu, const Tensor& x, const Tensor& labels, const Tensor& norms, const Tensor& scale, const Tensor& applied,
                         const Tensor& dy, const Gradient& dx, const Gradient& dscale, const Gradient& dnorms) {
  check_lse_margin(x, labels, norms, scale, applied, dy);
  with_float(x.dtype(), who, [&]<class T>() {
    const auto [rows, columns] = matrix_of(x);
    const T *in = x.data<T>().data(), *slopes = dy.data<T>().data(), *each = elements_or_null<const T>(norms);
    const std::int64_t* targets = labels.data<std::int64_t>().data();
    const T s = scale.data<T>()[0], subtracted = applied.data<T>()[0];
    T *to = dx ? dx.tensor.data<T>().data() : nullptr, *to_norms = dnorms ? dnorms.tensor.data<T>().data() : nullptr;
    std::vector<double> sums(dscale ? static_cast<std::size_t>(rows) : 0);
    for_rows(cpu, rows, columns, [&, columns = columns](std::int64_t row) {
      const T *from = in + row * columns, *slope = slopes + row * columns, factor = each != nullptr ? each[row] : s;
      if (dscale || dnorms) {
        const double sum =
            lane_sum<double>(columns, [=](std::int64_t i) { return static_cast<double>(slope[i]) * static_cast<double>(from[i]); }) -
            static_cast<double>(slope[targets[row]]) * static_cast<double>(subtracted);
        if (dscale) sums[static_cast<std::size_t>(row)] = sum;
        if (dnorms) put(to_norms[row], static_cast<T>(sum), dnorms.write);
      }
      if (to == nullptr) return;
      for (std::int64_t i = 0; i < columns; ++i) put(to[row * columns + i], factor * slope[i], dx.write);
    });
    if (!dscale) return;
    double sum = 0;
    for (const double one : sums) sum += one;
    put(dscale.tensor.data<T>()[0], static_cast<T>(each != nullptr ? 0 : sum), dscale.write);
  });
}

}  // namespace amnet
