#include <amnet/kernels/angular_margin.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "kernels/margin_arguments.h"
#include "lanes.h"

namespace amnet {
namespace {

constexpr std::string_view who = "angular_margin";
constexpr double degree = std::numbers::pi / 180, pi = std::numbers::pi;

/// y of the target cosine c of one sample, and its derivatives. Squares of cosines are rounded to
/// T, as the reference code has them.
template <class T>
class Turned {
 public:
  Turned(const AngularMarginOptions& options, double margin) : options_(options), margin_(margin) {
    if (options.arithmetic == Arithmetic::reference_cpu) options_.kind = AngularMarginKind::hard;
  }

  double value(T cosine) const {
    if (margin_ == 0) return static_cast<double>(cosine);
    if (options_.kind == AngularMarginKind::soft) return std::cos(margin_ * angle(cosine));
    const double c = limited(cosine);
    return c * std::cos(margin_ * degree) - sine(cosine) * std::sin(margin_ * degree);
  }
  double by_cosine(T cosine) const {
    if (margin_ == 0) return 1;
    const bool reference = options_.arithmetic == Arithmetic::reference_gpu;
    const double slope = options_.kind == AngularMarginKind::soft ? soft_slope(cosine) : hard_slope(cosine);
    return reference ? std::clamp(slope, 0.0, 2.0) : slope;
  }
  double by_margin(T cosine) const {
    if (options_.kind == AngularMarginKind::soft) return -angle(cosine) * std::sin(margin_ * angle(cosine));
    return -(limited(cosine) * std::sin(margin_ * degree) + sine(cosine) * std::cos(margin_ * degree)) * degree;
  }

 private:
  static constexpr T edge = T{1} - static_cast<T>(1e-4);

  double limited(T cosine) const {
    switch (options_.arithmetic) {
      case Arithmetic::exact: return static_cast<double>(std::clamp(cosine, T{-1}, T{1}));
      case Arithmetic::reference_gpu: return static_cast<double>(std::clamp(cosine, -edge, edge));
      default: return static_cast<double>(cosine);
    }
  }
  double sine(T cosine) const {
    if (options_.arithmetic == Arithmetic::exact) {
      const double c = limited(cosine);
      return std::sqrt((1 - c) * (1 + c) + 1e-12);
    }
    const T c = static_cast<T>(limited(cosine)), square = c * c;
    return std::sqrt(static_cast<double>(1 - square) + (options_.arithmetic == Arithmetic::reference_cpu ? 1e-12 : 0));
  }
  double hard_slope(T cosine) const {
    const double c = limited(cosine);
    const bool beyond = options_.arithmetic == Arithmetic::exact && std::abs(cosine) > T{1};
    return std::cos(margin_ * degree) + (beyond ? 0 : c / sine(cosine) * std::sin(margin_ * degree));
  }
  double soft_slope(T cosine) const {
    const double of_sine = sine(cosine);
    // At a = 0 the quotient of sines is m.
    if (options_.arithmetic == Arithmetic::exact && of_sine < 2e-6 && cosine > 0) return cosine > T{1} ? 0 : margin_ * margin_;
    return margin_ * std::sin(margin_ * angle(cosine)) / of_sine;
  }
  double angle(T cosine) const {
    if (options_.arithmetic != Arithmetic::reference_gpu) return std::acos(limited(cosine));
    const double found = std::acos(static_cast<double>(cosine));
    return margin_ * found > pi - 1e-4 ? pi - 1e-4 : found;
  }

  AngularMarginOptions options_;
  double margin_;
};

}  // namespace

void angular_margin_forward(Cpu& cpu, const AngularMarginOptions& options, const Tensor& cosines, const Tensor& labels, double margin,
                            const Tensor& y) {
  check_labelled(cosines, labels, y, who);
  with_float(cosines.dtype(), who, [&]<class T>() {
    const auto [rows, columns] = matrix_of(cosines);
    const T* in = cosines.data<T>().data();
    const std::int64_t* targets = labels.data<std::int64_t>().data();
    T* out = y.data<T>().data();
    const Turned<T> turned(options, margin);
    for_rows(cpu, rows, columns, [=, columns = columns](std::int64_t row) {
      const T* from = in + row * columns;
      std::copy_n(from, columns, out + row * columns);
      out[row * columns + targets[row]] = static_cast<T>(turned.value(from[targets[row]]));
    });
  });
}

void angular_margin_backward(Cpu& cpu, const AngularMarginOptions& options, const Tensor& cosines, const Tensor& labels, double margin,
                             const Tensor& dy, const Gradient& dcosines, const Gradient& dmargin) {
  check_labelled(cosines, labels, dy, who);
  with_float(cosines.dtype(), who, [&]<class T>() {
    const auto [rows, columns] = matrix_of(cosines);
    const T *in = cosines.data<T>().data(), *slopes = dy.data<T>().data();
    const std::int64_t* targets = labels.data<std::int64_t>().data();
    const Turned<T> turned(options, margin);
    if (dcosines) {
      T* out = dcosines.tensor.data<T>().data();
      for_rows(cpu, rows, columns, [=, columns = columns, write = dcosines.write](std::int64_t row) {
        const T* slope = slopes + row * columns;
        T* to = out + row * columns;
        const std::int64_t target = targets[row];
        for (std::int64_t i = 0; i < columns; ++i) {
          if (i != target) put(to[i], slope[i], write);
        }
        put(to[target], static_cast<T>(static_cast<double>(slope[target]) * turned.by_cosine(in[row * columns + target])), write);
      });
    }
    if (!dmargin) return;
    check_values(dmargin.tensor, 1, cosines.dtype(), "margin", who);
    double sum = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t at = row * columns + targets[row];
      sum += static_cast<double>(slopes[at]) * turned.by_margin(in[at]);
    }
    put(dmargin.tensor.data<T>()[0], static_cast<T>(sum), dmargin.write);
  });
}

std::array<double, 2> mean_angles(Cpu& cpu, const Tensor& cosines, const Tensor& labels) {
  check_labelled(cosines, labels, cosines, who, 2);
  std::array<double, 2> means{};
  with_float(cosines.dtype(), who, [&]<class T>() {
    const auto [rows, columns] = matrix_of(cosines);
    const T* in = cosines.data<T>().data();
    const std::int64_t* targets = labels.data<std::int64_t>().data();
    std::vector<double> of_targets(static_cast<std::size_t>(rows)), of_others(static_cast<std::size_t>(rows));
    for_rows(cpu, rows, columns, [&, columns = columns](std::int64_t row) {
      double others = 0;
      for (std::int64_t i = 0; i < columns; ++i) {
        const double angle = std::acos(std::clamp(static_cast<double>(in[row * columns + i]), -1.0, 1.0)) / degree;
        if (i == targets[row]) {
          of_targets[static_cast<std::size_t>(row)] = angle;
        } else {
          others += angle;
        }
      }
      of_others[static_cast<std::size_t>(row)] = others;
    });
    for (std::size_t row = 0; row < of_targets.size(); ++row) {
      means[0] += of_targets[row];
      means[1] += of_others[row];
    }
    const auto samples = static_cast<double>(std::max<std::int64_t>(rows, 1));
    means = {means[0] / samples, means[1] / samples / static_cast<double>(columns - 1)};
  });
  return means;
}

}  // namespace amnet
