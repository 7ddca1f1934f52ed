#include <amnet/kernels/softmax_cross_entropy.h>

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#pragma GCC diagnostic ignored "-Wuninitialized"  // a false alarm in the system's AVX-512 header (GCC bug 105593)
#endif
#include <Eigen/Core>
#include <cmath>
#include <limits>
#include <vector>

#include "lanes.h"

namespace amnet {
namespace {

void check(const Tensor& matrix, const Tensor& labels, const Tensor& sample_scale) {
  require(matrix.rank() == 2, "[softmax_cross_entropy] expected logits (N,classes) but got {}.", matrix.shape());
  require(!sample_scale.defined() || (sample_scale.count() == matrix.extent(0) && sample_scale.dtype() == matrix.dtype()),
          "[softmax_cross_entropy] expected one {} scale for each of {} samples but got {} {}.", name_of(matrix.dtype()), matrix.extent(0),
          name_of(sample_scale.dtype()), sample_scale.shape());
  check_labels(labels, matrix.extent(0), matrix.extent(1), "softmax_cross_entropy");
}

/// What the margin step needs to know of a sample.
template <class T>
class Margin {
 public:
  Margin(const MarginOptions& options, const Tensor& sample_scale)
      : scale_(static_cast<T>(options.scale)),
        margin_(static_cast<T>(options.margin)),
        rule_(options.rule),
        scales_(sample_scale.defined() ? sample_scale.data<T>().data() : nullptr) {}

  T scale(std::int64_t sample) const { return scales_ != nullptr ? scales_[sample] : scale_; }
  /// What is subtracted from this target cosine.
  T of(T cosine) const { return rule_ == MarginRule::always || cosine > margin_ ? margin_ : T{0}; }

 private:
  T scale_, margin_;
  MarginRule rule_;
  const T* scales_;
};

template <class T>
void scale_row(const Margin<T>& margin, std::int64_t sample, std::int64_t classes, std::int64_t label, const T* cosines, T* scaled) {
  const T scale = margin.scale(sample);
  for (std::int64_t j = 0; j < classes; ++j) scaled[j] = scale * cosines[j];
  scaled[label] = scale * (cosines[label] - margin.of(cosines[label]));
}

template <class T>
T largest_of(const T* values, std::int64_t count) {
  constexpr int lanes = 128 / sizeof(T);
  T largest[lanes];
  std::fill_n(largest, lanes, -std::numeric_limits<T>::infinity());
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (int lane = 0; lane < lanes; ++lane) largest[lane] = values[i + lane] > largest[lane] ? values[i + lane] : largest[lane];
  }
  for (; i < count; ++i) largest[0] = std::max(largest[0], values[i]);
  return *std::max_element(largest, largest + lanes);
}

/// values <- exp(values - shift); answers their sum. Blocks at one alignment, so that a row gives the same bits at any address.
template <class T>
double exponentials(T* values, std::int64_t count, T shift) {
  constexpr int block = 512;
  alignas(64) T buffer[block] = {};
  double sum = 0;
  for (std::int64_t begin = 0; begin < count; begin += block) {
    const std::int64_t length = std::min<std::int64_t>(block, count - begin);
    for (std::int64_t i = 0; i < length; ++i) buffer[i] = values[begin + i] - shift;
    Eigen::Map<Eigen::Array<T, block, 1>, Eigen::Aligned64> lanes(buffer);
    lanes = lanes.exp();
    sum += static_cast<double>(lane_sum<T>(length, [&](std::int64_t i) { return buffer[i]; }));
    std::copy_n(buffer, length, values + begin);
  }
  return sum;
}

}  // namespace

void margin_logits(Cpu& cpu, const MarginOptions& options, const Tensor& cosines, const Tensor& labels, const Tensor& sample_scale,
                   const Tensor& scaled) {
  check(cosines, labels, sample_scale);
  with_float(cosines.dtype(), "softmax_cross_entropy", [&]<class T>() {
    const auto [samples, classes] = matrix_of(cosines);
    const Margin<T> margin(options, sample_scale);
    const T* in = cosines.data<T>().data();
    const std::int64_t* targets = labels.data<std::int64_t>().data();
    T* out = scaled.data<T>().data();
    for_rows(cpu, samples, classes,
             [&, classes = classes](std::int64_t i) { scale_row(margin, i, classes, targets[i], in + i * classes, out + i * classes); });
  });
}

void softmax_cross_entropy_forward(Cpu& cpu, const MarginOptions& options, const Tensor& logits, const Tensor& labels,
                                   const Tensor& sample_scale, const Tensor& probabilities, const Tensor& loss) {
  check(logits, labels, sample_scale);
  with_float(logits.dtype(), "softmax_cross_entropy", [&]<class T>() {
    const auto [samples, classes] = matrix_of(logits);
    const Margin<T> margin(options, sample_scale);
    const T* in = logits.data<T>().data();
    const std::int64_t* targets = labels.data<std::int64_t>().data();
    T* out = probabilities.data<T>().data();
    std::vector<double> losses(static_cast<std::size_t>(samples));
    for_rows(cpu, samples, classes, [&, classes = classes](std::int64_t i) {
      T* row = out + i * classes;
      scale_row(margin, i, classes, targets[i], in + i * classes, row);
      const T target = row[targets[i]];
      const T largest = largest_of(row, classes);
      const double sum = exponentials(row, classes, largest);
      losses[static_cast<std::size_t>(i)] = std::log(sum) + (static_cast<double>(largest) - static_cast<double>(target));
      const T inverse = static_cast<T>(1 / sum);
      for (std::int64_t j = 0; j < classes; ++j) row[j] *= inverse;
    });
    double sum = 0;
    for (const double each : losses) sum += each;
    loss.data<T>()[0] = static_cast<T>(sum / static_cast<double>(std::max<std::int64_t>(samples, 1)));
  });
}

void softmax_cross_entropy_backward(Cpu& cpu, const MarginOptions& options, const Tensor& logits, const Tensor& labels,
                                    const Tensor& sample_scale, const Tensor& probabilities, const Tensor& dloss, const Gradient& dlogits,
                                    const Gradient& dsample_scale) {
  with_float(probabilities.dtype(), "softmax_cross_entropy", [&]<class T>() {
    const auto [samples, classes] = matrix_of(probabilities);
    const Margin<T> margin(options, sample_scale);
    const std::int64_t* targets = labels.data<std::int64_t>().data();
    const T* softmax = probabilities.data<T>().data();
    const T share = dloss.data<T>()[0] / static_cast<T>(std::max<std::int64_t>(samples, 1));
    if (dlogits) {
      T* out = dlogits.tensor.data<T>().data();
      for_rows(cpu, samples, classes, [&, classes = classes](std::int64_t i) {
        const T* row = softmax + i * classes;
        T* to = out + i * classes;
        const T factor = share * margin.scale(i);
        const T before = to[targets[i]];
        for (std::int64_t j = 0; j < classes; ++j) put(to[j], factor * row[j], dlogits.write);
        const T target = factor * (row[targets[i]] - 1);
        to[targets[i]] = dlogits.write == Write::add ? before + target : target;
      });
    }
    if (dsample_scale) {
      const T* in = logits.data<T>().data();
      T* out = dsample_scale.tensor.data<T>().data();
      for_rows(cpu, samples, classes, [&, classes = classes](std::int64_t i) {
        const T* row = softmax + i * classes;
        const T* cosines = in + i * classes;
        // sum_j p_j z_j - z_y over the scale: the cosine is offset by the target's, so that nearly equal terms cancel exactly.
        const T target = cosines[targets[i]];
        const T lowered = target - margin.of(target);
        const T sum = lane_sum<T>(classes, [&](std::int64_t j) { return row[j] * (cosines[j] - lowered); });
        put(out[i], share * (sum - row[targets[i]] * (target - lowered)), dsample_scale.write);
      });
    }
  });
}

}  // namespace amnet
