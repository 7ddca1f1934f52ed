#include <amnet/kernels/softmax_cross_entropy.h>

#include <cmath>
#include <limits>
#include <vector>

#include "exponential.h"
#include "kernels/arguments.h"
#include "lanes.h"

namespace amnet {
namespace {

/// What the margin step needs to know about a sample.
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

/// The weight of each row, 0 for one that does not count.
template <class T>
class Weights {
 public:
  Weights(const LossRows& rows, const Tensor& labels)
      : ignored_(rows.ignore_label), labels_(labels.data<std::int64_t>().data()), weights_(elements_or_null<const T>(rows.weights)) {}

  T of(std::int64_t row) const {
    if (labels_[row] == ignored_) return 0;
    return weights_ != nullptr ? weights_[row] : T{1};
  }

 private:
  std::optional<std::int64_t> ignored_;
  const std::int64_t* labels_;
  const T* weights_;
};

template <class T>
double divisor_of(const LossRows& rows, std::int64_t count, const Weights<T>& weights) {
  double divisor = 1;
  switch (rows.normalization) {
    case LossNormalization::full: divisor = static_cast<double>(count); break;
    case LossNormalization::valid:
      divisor = 0;
      for (std::int64_t row = 0; row < count; ++row) divisor += static_cast<double>(weights.of(row));
      break;
    case LossNormalization::batch_size: divisor = static_cast<double>(rows.samples); break;
    case LossNormalization::none: break;
  }
  return std::max(1.0, divisor);
}

/// A row is processed in the first-level cache one block at a time: z, its exponentials and its
/// gradient are never stored as a whole row.
constexpr std::int64_t block_size = 1024;

template <class T>
struct Block {
  std::int64_t begin, length;
  const T* next;  // the next block's cosines; the last block's own
  alignas(64) T values[block_size];

  /// Loops take two vectors at a time, so that one does not wait for the other; the last two are
  /// padded.
  static constexpr int vectors = 2;
  static constexpr std::int64_t group = vectors * lanes<T>;
  std::int64_t filled() const { return (length + group - 1) / group * group; }
};

/// The z of one sample.
template <class T>
class Row {
 public:
  Row(const Margin<T>& margin, std::int64_t sample, std::int64_t classes, std::int64_t label, const T* cosines)
      : classes_(classes),
        label_(label),
        scale_(margin.scale(sample)),
        cosines_(cosines),
        target_(cosines[label] - margin.of(cosines[label])) {}

  T scale() const { return scale_; }
  /// The label's cosine less the margin, as it was when the row began: a gradient may be written
  /// over it.
  T target() const { return target_; }

  /// The label's z, in the block that holds it, else nullptr.
  T* target_in(Block<T>& block) const {
    return label_ >= block.begin && label_ < block.begin + block.length ? block.values + (label_ - block.begin) : nullptr;
  }

  /// Calls body(block, the block's cosines) with z in each block; its last vectors are padded with
  /// minus infinity.
  template <class Body>
  void for_blocks(Body&& body) const {
    Block<T> block;
    const T scale = scale_;
    for (block.begin = 0; block.begin < classes_; block.begin += block_size) {
      block.length = std::min(block_size, classes_ - block.begin);
      const T* from = cosines_ + block.begin;
      block.next = block.begin + block_size < classes_ ? from + block_size : from;
      for (std::int64_t i = 0; i < block.length; ++i) block.values[i] = scale * from[i];
      std::fill(block.values + block.length, block.values + block.filled(), -std::numeric_limits<T>::infinity());
      if (T* const label = target_in(block)) *label = scale_ * target_;
      body(block, from);
    }
  }

 private:
  std::int64_t classes_, label_;
  T scale_;
  const T* cosines_;
  T target_;
};

/// All lanes of a vector put together by a binary tree: a chain over lanes * 4 values took a fifth
/// of a block's time.
template <class T, class Join>
T over_lanes(Vector<T> vector, Join&& join) {
  T values[lanes<T>];
  store(values, vector);
  for (int width = lanes<T> / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) values[lane] = join(values[lane], values[lane + width]);
  }
  return values[0];
}

template <class T>
T largest_of(const Block<T>& block) {
  static_assert(Block<T>::vectors == 2);
  Vector<T> first = load(block.values), second = load(block.values + lanes<T>);
  const auto larger = [](auto a, auto b) { return b > a ? b : a; };
  for (std::int64_t i = block.group; i < block.filled(); i += block.group) {
    first = larger(first, load(block.values + i));
    second = larger(second, load(block.values + i + lanes<T>));
  }
  return over_lanes<T>(larger(first, second), larger);
}

/// Calls body(v, values, exp(values - shift)) for each vector of a block, the v-th of its group,
/// and prefetches the next block, so that loads overlap the computation.
template <class T, class Body>
void for_exponentials(Block<T>& block, T shift, Body&& body) {
  for (std::int64_t i = 0; i < block.filled(); i += block.group) {
#pragma GCC unroll 2
    for (int v = 0; v < block.vectors; ++v) {
      const std::int64_t at = i + v * lanes<T>;
      __builtin_prefetch(block.next + at);
      body(v, block.values + at, exponential<T>(load(block.values + at) - shift));
    }
  }
}

/// The largest z and the sum of exp(z - largest).
template <class T>
struct Normaliser {
  T largest = -std::numeric_limits<T>::infinity();
  double sum = 0;

  void add(Block<T>& block) {
    if (const T next = largest_of(block); next > largest) {
      sum *= std::exp(static_cast<double>(largest - next));
      largest = next;
    }
    Vector<T> sums[Block<T>::vectors] = {};
    for_exponentials(block, largest, [&](int v, T*, Vector<T> exponential) { sums[v] += exponential; });
    sum += static_cast<double>(over_lanes<T>(sums[0] + sums[1], [](T a, T b) { return a + b; }));
  }
};

}  // namespace

void margin_logits(Cpu& cpu, const MarginOptions& options, const Tensor& cosines, const Tensor& labels, const Tensor& sample_scale,
                   const Tensor& scaled) {
  check_softmax_cross_entropy(cosines, labels, sample_scale);
  with_float(cosines.dtype(), "softmax_cross_entropy", [&]<class T>() {
    const Matrix size = matrix_of(cosines);
    const Margin<T> margin(options, sample_scale);
    const T* in = cosines.data<T>().data();
    const std::int64_t* targets = labels.data<std::int64_t>().data();
    T* out = scaled.data<T>().data();
    for_rows(cpu, size.rows, size.columns, [&](std::int64_t i) {
      const Row<T> row(margin, i, size.columns, targets[i], in + i * size.columns);
      row.for_blocks(
          [&](const Block<T>& block, const T*) { std::copy_n(block.values, block.length, out + i * size.columns + block.begin); });
    });
  });
}

void softmax_cross_entropy_forward(Cpu& cpu, const MarginOptions& options, const Tensor& logits, const Tensor& labels,
                                   const Tensor& sample_scale, const Tensor& normalisers, const Tensor& loss, const LossRows& rows) {
  check_softmax_cross_entropy(logits, labels, sample_scale, rows);
  with_float(logits.dtype(), "softmax_cross_entropy", [&]<class T>() {
    const Matrix size = matrix_of(logits);
    const Margin<T> margin(options, sample_scale);
    const T* in = logits.data<T>().data();
    const std::int64_t* targets = labels.data<std::int64_t>().data();
    T* out = normalisers.data<T>().data();
    const Weights<T> weights(rows, labels);
    const double largest_loss = rows.probability_floor > 0 ? -std::log(rows.probability_floor) : std::numeric_limits<double>::infinity();
    std::vector<double> losses(static_cast<std::size_t>(size.rows));
    for_rows(cpu, size.rows, size.columns, [&](std::int64_t i) {
      const T weight = weights.of(i);
      if (weight == 0) {  // its label may not be a class
        out[2 * i] = 0;
        out[2 * i + 1] = 1;
        return;
      }
      const Row<T> row(margin, i, size.columns, targets[i], in + i * size.columns);
      Normaliser<T> normaliser;
      T target = 0;
      row.for_blocks([&](Block<T>& block, const T*) {
        if (const T* label = row.target_in(block)) target = *label;
        normaliser.add(block);
      });
      out[2 * i] = normaliser.largest;
      out[2 * i + 1] = static_cast<T>(normaliser.sum);
      const double of_row = std::log(normaliser.sum) + (static_cast<double>(normaliser.largest) - static_cast<double>(target));
      losses[static_cast<std::size_t>(i)] = static_cast<double>(weight) * (of_row > largest_loss ? largest_loss : of_row);
    });
    double sum = 0;
    for (const double each : losses) sum += each;
    const double divisor = divisor_of(rows, size.rows, weights);
    loss.data<T>()[0] = static_cast<T>(sum / divisor);
    if (rows.divisor.defined()) rows.divisor.data<T>()[0] = static_cast<T>(divisor);
  });
}

void softmax_cross_entropy_backward(Cpu& cpu, const MarginOptions& options, const Tensor& logits, const Tensor& labels,
                                    const Tensor& sample_scale, const Tensor& normalisers, const Tensor& dloss, const Gradient& dlogits,
                                    const Gradient& dsample_scale, const LossRows& rows) {
  with_float(logits.dtype(), "softmax_cross_entropy", [&]<class T>() {
    const Matrix size = matrix_of(logits);
    const Margin<T> margin(options, sample_scale);
    const T* in = logits.data<T>().data();
    const std::int64_t* targets = labels.data<std::int64_t>().data();
    const T* saved = normalisers.data<T>().data();
    T* out = dlogits ? dlogits.tensor.data<T>().data() : nullptr;
    T* scale_out = dsample_scale ? dsample_scale.tensor.data<T>().data() : nullptr;
    const Weights<T> weights(rows, labels);
    const T divisor = rows.divisor.defined() ? rows.divisor.data<T>()[0] : static_cast<T>(std::max<std::int64_t>(size.rows, 1));
    const T share_of_weight = dloss.data<T>()[0] / divisor;
    for_rows(cpu, size.rows, size.columns, [&](std::int64_t i) {
      const T weight = weights.of(i);
      if (weight == 0) {
        if (out != nullptr && dlogits.write == Write::assign) std::fill_n(out + i * size.columns, size.columns, T{0});
        if (scale_out != nullptr) put(scale_out[i], T{0}, dsample_scale.write);
        return;
      }
      const T share = share_of_weight * weight;
      const Row<T> row(margin, i, size.columns, targets[i], in + i * size.columns);
      const T factor = share * row.scale();
      // sum_j p_j z_j - z_y over the scale: the cosine is offset by the target's, so that nearly
      // equal terms cancel exactly, and the target's own term is zero.
      double along = 0;
      row.for_blocks([&](Block<T>& block, const T* cosines) {
        for_exponentials(block, saved[2 * i],
                         [inverse = 1 / saved[2 * i + 1]](int, T* values, Vector<T> exponential) { store(values, inverse * exponential); });
        T* const label = row.target_in(block);
        const T probability = label != nullptr ? *label : T{0};
        if (scale_out != nullptr) {
          if (label != nullptr) *label = 0;
          along += static_cast<double>(lane_sum<T>(block.length, [values = block.values, cosines, target = row.target()](std::int64_t j) {
            return values[j] * (cosines[j] - target);
          }));
        }
        if (out == nullptr) return;
        if (label != nullptr) *label = probability - 1;
        T* const to = out + i * size.columns + block.begin;
        if (dlogits.write == Write::add) {
          for (std::int64_t j = 0; j < block.length; ++j) to[j] += factor * block.values[j];
        } else {
          for (std::int64_t j = 0; j < block.length; ++j) to[j] = factor * block.values[j];
        }
      });
      if (scale_out != nullptr) put(scale_out[i], share * static_cast<T>(along), dsample_scale.write);
    });
  });
}

}  // namespace amnet
