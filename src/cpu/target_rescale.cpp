#include <amnet/kernels/target_rescale.h>

#include <cmath>
#include <numbers>

#include "kernels/margin_arguments.h"
#include "lanes.h"

namespace amnet {
namespace {

constexpr std::string_view who = "target_rescale";

/// The function of a target's logit.
class Rescale {
 public:
  explicit Rescale(const TargetRescaleOptions& options)
      : options_(options),
        by_angle_(options.power && options.arithmetic == Arithmetic::reference_gpu),
        cosine_(std::cos(options.positive / 180 * std::numbers::pi)),
        sine_(std::sin(options.positive / 180 * std::numbers::pi)) {}

  double value(double x) const {
    const double p = options_.positive;
    if (leaves(x)) return x;
    if (by_angle_) {
      const double turned = x * cosine_ - sine_of(x) * sine_;
      return options_.keeps_one ? (p - 1) * (turned - 1) + x : turned;
    }
    if (options_.power) return std::copysign(std::pow(std::abs(x), p), x);
    return options_.keeps_one ? p * x + 1 - p : p * x;
  }
  /// The gradient by x where that by the value is `slope`.
  double gradient(double x, double slope) const {
    const double p = options_.positive;
    if (leaves(x)) return slope;
    if (by_angle_) {
      const double turned = slope * (cosine_ + x / sine_of(x) * sine_);
      return options_.keeps_one ? (p - 1) * turned + 1 : turned;
    }
    if (options_.power) return slope * p * std::pow(std::abs(x), p - 1);
    return slope * p;
  }

 private:
  bool leaves(double x) const { return options_.positive == 1 || (options_.only_positive && !by_angle_ && !(x > 0)); }
  static double sine_of(double x) { return std::sqrt(1 - x * x + 1e-12); }

  TargetRescaleOptions options_;
  bool by_angle_;
  double cosine_, sine_;
};

}  // namespace

void target_rescale_forward(Cpu& cpu, const TargetRescaleOptions& options, const Tensor& x, const Tensor& labels, const Tensor& y) {
  check_labelled(x, labels, y, who);
  with_float(x.dtype(), who, [&]<class T>() {
    const auto [rows, columns] = matrix_of(x);
    const T* in = x.data<T>().data();
    const std::int64_t* targets = labels.data<std::int64_t>().data();
    T* out = y.data<T>().data();
    const Rescale rescale(options);
    for_rows(cpu, rows, columns, [=, columns = columns, weight = static_cast<T>(options.negative)](std::int64_t row) {
      const T* from = in + row * columns;
      T* to = out + row * columns;
      for (std::int64_t i = 0; i < columns; ++i) to[i] = weight * from[i];
      to[targets[row]] = static_cast<T>(rescale.value(static_cast<double>(from[targets[row]])));
    });
  });
}

void target_rescale_backward(Cpu& cpu, const TargetRescaleOptions& options, const Tensor& x, const Tensor& labels, const Tensor& dy,
                             const Gradient& dx) {
  if (!dx) return;
  check_labelled(x, labels, dy, who);
  with_float(x.dtype(), who, [&]<class T>() {
    const auto [rows, columns] = matrix_of(x);
    const T *in = x.data<T>().data(), *slopes = dy.data<T>().data();
    const std::int64_t* targets = labels.data<std::int64_t>().data();
    T* out = dx.tensor.data<T>().data();
    const Rescale rescale(options);
    for_rows(cpu, rows, columns, [=, columns = columns, weight = static_cast<T>(options.negative), write = dx.write](std::int64_t row) {
      const T* slope = slopes + row * columns;
      T* to = out + row * columns;
      const std::int64_t target = targets[row];
      for (std::int64_t i = 0; i < columns; ++i) {
        if (i != target) put(to[i], weight * slope[i], write);
      }
      const double own = rescale.gradient(static_cast<double>(in[row * columns + target]), static_cast<double>(slope[target]));
      put(to[target], static_cast<T>(own), write);
    });
  });
}

}  // namespace amnet
