#include <amnet/kernels/batch_norm.h>

#include <cmath>
#include <vector>

#include "kernels/arguments.h"
#include "lanes.h"

namespace amnet {
namespace {

/// 1 / sqrt(variance + epsilon), per channel.
template <class T>
std::vector<T> inverse_deviations(const Tensor& variance, double epsilon, const BatchNormTerms& terms) {
  if (!terms.scaled) return std::vector<T>(static_cast<std::size_t>(variance.count()), T{1});
  std::vector<T> inverse;
  for (const T value : variance.data<T>()) inverse.push_back(1 / std::sqrt(value + static_cast<T>(epsilon)));
  return inverse;
}

/// What is subtracted from each channel.
template <class T>
std::vector<T> centers(const Tensor& mean, const BatchNormTerms& terms) {
  const std::span<const T> means = mean.data<const T>();
  return terms.centered ? std::vector<T>(means.begin(), means.end()) : std::vector<T>(means.size(), T{0});
}

}  // namespace

void batch_norm_statistics(Cpu& cpu, const Tensor& x, const Tensor& mean, const Tensor& variance, const BatchNormTerms& terms) {
  check_batch_norm(x, mean, variance, x);
  with_float(x.dtype(), "batch_norm", [&]<class T>() {
    const auto [rows, columns] = matrix_of(x);
    const T* in = x.data<T>().data();
    T* means = mean.data<T>().data();
    T* variances = variance.data<T>().data();
    const auto divide = [rows = rows, columns = columns](T* sums) {
      for (std::int64_t c = 0; c < columns; ++c) sums[c] /= static_cast<T>(std::max<std::int64_t>(rows, 1));
    };
    if (terms.centered) {
      sum_over_rows<T>(cpu, rows, columns, means, Write::assign, [&, columns = columns](Rows range, T* partial) {
        for (std::int64_t row = range.begin; row < range.end; ++row) {
          for (std::int64_t c = 0; c < columns; ++c) partial[c] += in[row * columns + c];
        }
      });
      divide(means);
    } else {
      std::fill_n(means, columns, T{0});
    }
    // A second pass over the differences: the difference of two large sums would lose a small
    // variance.
    sum_over_rows<T>(cpu, rows, columns, variances, Write::assign, [&, columns = columns](Rows range, T* partial) {
      for (std::int64_t row = range.begin; row < range.end; ++row) {
        for (std::int64_t c = 0; c < columns; ++c) {
          const T difference = in[row * columns + c] - means[c];
          partial[c] += difference * difference;
        }
      }
    });
    divide(variances);
  });
}

void batch_norm_update(Cpu&, double fraction, std::int64_t samples, const Tensor& mean, const Tensor& variance, const Tensor& running_mean,
                       const Tensor& running_variance, const Tensor& weight_of_past, const BatchNormTerms& terms) {
  with_float(mean.dtype(), "batch_norm", [&]<class T>() {
    T& weight = weight_of_past.data<T>()[0];
    const T before = weight;
    weight = static_cast<T>(fraction) * weight + 1;
    const T unbias = samples > 1 ? static_cast<T>(samples) / static_cast<T>(samples - 1) : T{1};
    const auto move = [&](const Tensor& running, const Tensor& batch, T factor) {
      const std::span<T> values = running.data<T>();
      const std::span<const T> news = batch.data<T>();
      for (std::size_t c = 0; c < values.size(); ++c) values[c] += (news[c] * factor - values[c]) / weight;
    };
    const auto keep_sum = [&](const Tensor& running) {
      for (T& value : running.data<T>()) value *= before / weight;
    };
    terms.centered ? move(running_mean, mean, 1) : keep_sum(running_mean);
    terms.scaled ? move(running_variance, variance, unbias) : keep_sum(running_variance);
  });
}

void batch_norm_forward(Cpu& cpu, double epsilon, const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& scale,
                        const Tensor& shift, const Tensor& y, const BatchNormTerms& terms) {
  check_batch_norm(x, mean, variance, y);
  with_float(x.dtype(), "batch_norm", [&]<class T>() {
    const auto [rows, columns] = matrix_of(x);
    const T* in = x.data<T>().data();
    T* out = y.data<T>().data();
    // y = (x - mean) factor + plus: the mean is subtracted first, because folding it into `plus`
    // would cancel for a large mean.
    std::vector<T> factor = inverse_deviations<T>(variance, epsilon, terms);
    const std::vector<T> subtracted = centers<T>(mean, terms);
    std::vector<T> plus(factor.size(), T{0});
    if (scale.defined()) std::ranges::transform(factor, scale.data<T>(), factor.begin(), std::multiplies<>());
    if (shift.defined()) std::ranges::copy(shift.data<T>(), plus.begin());
    const T* means = subtracted.data();
    const T* factors = factor.data();
    const T* shifts = plus.data();
    for_rows(cpu, rows, columns, [&, columns = columns](std::int64_t row) {
      const T* from = in + row * columns;
      T* to = out + row * columns;
      for (std::int64_t c = 0; c < columns; ++c) to[c] = (from[c] - means[c]) * factors[c] + shifts[c];
    });
  });
}

void batch_norm_backward(Cpu& cpu, double epsilon, bool stored_statistics, const Tensor& x, const Tensor& mean, const Tensor& variance,
                         const Tensor& scale, const Tensor& dy, const Gradient& dx, const Gradient& dscale, const Gradient& dshift,
                         const BatchNormTerms& terms) {
  check_batch_norm(x, mean, variance, dy);
  with_float(x.dtype(), "batch_norm", [&]<class T>() {
    const auto [rows, columns] = matrix_of(x);
    const T* in = x.data<T>().data();
    const T* dout = dy.data<T>().data();
    const std::vector<T> subtracted = centers<T>(mean, terms);
    const T* means = subtracted.data();
    const std::vector<T> inverse = inverse_deviations<T>(variance, epsilon, terms);
    const auto channels = static_cast<std::size_t>(columns);

    std::vector<T> sums(2 * channels, T{0});  // of dy, then of dy n
    if (dscale || dshift || (dx && !stored_statistics)) {
      sum_over_rows<T>(cpu, rows, 2 * columns, sums.data(), Write::assign, [&, columns = columns](Rows range, T* partial) {
        T* products = partial + columns;
        for (std::int64_t row = range.begin; row < range.end; ++row) {
          const T* from = in + row * columns;
          const T* slope = dout + row * columns;
          for (std::int64_t c = 0; c < columns; ++c) {
            partial[c] += slope[c];
            products[c] += slope[c] * (from[c] - means[c]);
          }
        }
      });
      for (std::size_t c = 0; c < channels; ++c) sums[channels + c] *= inverse[c];
    }
    const auto write_sums = [&](const Gradient& gradient, std::size_t first) {
      if (!gradient) return;
      T* target = gradient.tensor.data<T>().data();
      for (std::size_t c = 0; c < channels; ++c) put(target[c], sums[first + c], gradient.write);
    };
    write_sums(dshift, 0);
    write_sums(dscale, channels);

    if (!dx) return;
    // dx = factor (dy - from_shift - (x - mean) from_scale), with from_* zero for stored
    // statistics.
    std::vector<T> factor = inverse;
    if (scale.defined()) std::ranges::transform(factor, scale.data<T>(), factor.begin(), std::multiplies<>());
    std::vector<T> from_shift(channels, T{0});
    std::vector<T> from_scale(channels, T{0});
    if (!stored_statistics) {
      for (std::size_t c = 0; c < channels; ++c) {
        if (terms.centered) from_shift[c] = sums[c] / static_cast<T>(rows);
        if (terms.scaled) from_scale[c] = sums[channels + c] / static_cast<T>(rows) * inverse[c];
      }
    }
    const T* factors = factor.data();
    const T* shift_terms = from_shift.data();
    const T* scale_terms = from_scale.data();
    T* din = dx.tensor.data<T>().data();
    for_rows(cpu, rows, columns, [&, columns = columns](std::int64_t row) {
      const T* from = in + row * columns;
      const T* slope = dout + row * columns;
      T* to = din + row * columns;
      for (std::int64_t c = 0; c < columns; ++c) {
        put(to[c], factors[c] * (slope[c] - shift_terms[c] - (from[c] - means[c]) * scale_terms[c]), dx.write);
      }
    });
  });
}

}  // namespace amnet
