#include <amnet/kernels/softmax_cross_entropy.h>

#include <vector>

#include "margin_rows.h"

namespace amnet {
namespace {

constexpr std::string_view who = "softmax_cross_entropy";

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

/// The scale and the norm of each sample.
template <class T>
class Norms {
 public:
  Norms(const MarginOptions& options, const MarginInputs& inputs)
      : norms_(elements_or_null<const T>(inputs.norms)),
        scale_(static_cast<T>(options.scale)),
        scales_(norms_ != nullptr && !options.form.has_norm_margin()) {}

  bool scales() const { return scales_; }
  T scale(std::int64_t sample) const { return scales_ ? norms_[sample] : scale_; }
  T norm(std::int64_t sample) const { return norms_ != nullptr ? norms_[sample] : T{0}; }

 private:
  const T* norms_;
  T scale_;
  bool scales_;
};

template <class T>
MarginStatistics statistics_of(const MarginInputs& inputs) {
  const auto value_of = [](const Tensor& one) { return one.defined() ? static_cast<double>(one.data<const T>()[0]) : 0; };
  return {.mean = value_of(inputs.mean), .deviation = value_of(inputs.deviation)};
}

/// Moves the running statistics by the rows that count: the mean cosine of the targets, or mean and
/// deviation of the norms (that of a single row is unknown, and left).
template <class T>
void move_statistics(const MarginForm& form, const ClassRows<T>& all, const Norms<T>& norms, const Weights<T>& weights,
                     const MarginInputs& inputs) {
  if (!form.has_mean() || form.momentum == 0) return;
  const bool of_norms = form.has_deviation();
  const auto value_of = [&](std::int64_t i) {
    return of_norms ? within(static_cast<double>(norms.norm(i)), form.norm_low, form.norm_high)
                    : within(static_cast<double>(all.row(i).target_cosine()), -1.0, 1.0);
  };
  double sum = 0, count = 0, squares = 0;
  for (std::int64_t i = 0; i < all.rows; ++i) {
    if (weights.of(i) == 0) continue;
    sum += value_of(i);
    ++count;
  }
  if (count == 0) return;
  const double mean = sum / count;
  const auto move = [&form](const Tensor& statistic, double of_batch) {
    T& value = statistic.data<T>()[0];
    value = static_cast<T>(moved_statistic(static_cast<double>(value), of_batch, form.momentum));
  };
  move(inputs.mean, mean);
  if (!of_norms || count < 2) return;
  for (std::int64_t i = 0; i < all.rows; ++i) {
    if (weights.of(i) != 0) squares += (value_of(i) - mean) * (value_of(i) - mean);
  }
  move(inputs.deviation, std::sqrt(squares / (count - 1)));
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

/// The largest z and the sum of exp(z - largest), of no value the least number and 0.
template <class T>
struct Normaliser {
  T largest = std::numeric_limits<T>::lowest();
  double sum = 0;

  void add(Block<T>& block) {
    if (const T next = largest_of(block); next > largest) {
      sum *= std::exp(static_cast<double>(largest) - static_cast<double>(next));
      largest = next;
    }
    Vector<T> sums[Block<T>::vectors] = {};
    for_vectors(block, [&](int v, const T* values) { sums[v] += exponential<T>(load(values) - largest); });
    sum += static_cast<double>(over_lanes<T>(sums[0] + sums[1], [](T a, T b) { return a + b; }));
  }
};

/// What stands in the place of the label's z where only the others count.
template <class T>
constexpr T nothing = -std::numeric_limits<T>::infinity();

}  // namespace

void margin_logits(Cpu& cpu, const MarginOptions& options, const Tensor& cosines, const Tensor& labels, const MarginInputs& inputs,
                   const Tensor& scaled) {
  check_softmax_cross_entropy(options, cosines, labels, inputs);
  with_float(cosines.dtype(), who, [&]<class T>() {
    const ClassRows<T> all(cosines, labels, options.form.centres);
    const Norms<T> norms(options, inputs);
    const MarginStatistics statistics = statistics_of<T>(inputs);
    T* const out = scaled.data<T>().data();
    for_rows(cpu, all.rows, all.columns(), [&](std::int64_t i) {
      const ClassRow<T> row = all.row(i);
      const T scale = norms.scale(i);
      MarginRow<T> found{};
      set_margin(found, options, statistics, row.target_cosine(), norms.norm(i));
      with_negative_rule<T>(options.form, [&]<class Rule>() {
        const Rule negative = Rule::of(options.form, found);
        row.for_blocks([=](T c) { return scale * negative.value(c); }, scale * found.target,
                       [&](const Block<T>& block) { std::copy_n(block.values, block.length, out + i * all.classes + block.begin); });
      });
    });
  });
}

void softmax_cross_entropy_forward(Cpu& cpu, const MarginOptions& options, const Tensor& logits, const Tensor& labels,
                                   const MarginInputs& inputs, const Tensor& row_values, const Tensor& loss, const LossRows& rows) {
  check_softmax_cross_entropy(options, logits, labels, inputs, rows);
  check_row_values(row_values, logits, who);
  with_float(logits.dtype(), who, [&]<class T>() {
    const ClassRows<T> all(logits, labels, options.form.centres);
    const Norms<T> norms(options, inputs);
    const Weights<T> weights(rows, labels);
    move_statistics(options.form, all, norms, weights, inputs);
    const MarginStatistics statistics = statistics_of<T>(inputs);
    MarginRow<T>* const out = margin_rows_of<T>(row_values);
    const double largest_loss = rows.probability_floor > 0 ? -std::log(rows.probability_floor) : std::numeric_limits<double>::infinity();
    std::vector<double> losses(static_cast<std::size_t>(all.rows));
    for_rows(cpu, all.rows, all.columns(), [&](std::int64_t i) {
      const T weight = weights.of(i);
      MarginRow<T>& found = out[i];
      found = {.largest = 0, .sum = 1, .others = 0, .target = 0, .slope = 0, .by_norm = 0, .threshold = 0, .mean = 0};
      if (weight == 0) return;  // its label may not be a class
      const ClassRow<T> row = all.row(i);
      const T scale = norms.scale(i);
      set_margin(found, options, statistics, row.target_cosine(), norms.norm(i));
      const T target = scale * found.target;
      Normaliser<T> of_others;
      with_negative_rule<T>(options.form, [&]<class Rule>() {
        const Rule negative = Rule::of(options.form, found);
        row.for_blocks([=](T c) { return scale * negative.value(c); }, nothing<T>, [&](Block<T>& block) { of_others.add(block); });
      });
      const auto largest = static_cast<double>(target > of_others.largest ? target : of_others.largest);
      const double below = largest - static_cast<double>(target),
                   others = of_others.sum * std::exp(static_cast<double>(of_others.largest) - largest);
      found.largest = static_cast<T>(largest);
      found.others = static_cast<T>(others);
      found.sum = static_cast<T>(others + std::exp(-below));
      // log(others + exp(-below)) + below; without the 1 of an easy row, nothing is lost
      const double of_row = below <= 0 ? std::log1p(others) : std::log(others + std::exp(-below)) + below;
      const double penalty = NormTerm::of(options.form, static_cast<double>(norms.norm(i))).value;
      losses[static_cast<std::size_t>(i)] = static_cast<double>(weight) * ((of_row > largest_loss ? largest_loss : of_row) + penalty);
    });
    double sum = 0;
    for (const double each : losses) sum += each;
    const double divisor = divisor_of(rows, all.rows, weights);
    loss.data<T>()[0] = static_cast<T>(rows.factor * sum / divisor);
    if (rows.divisor.defined()) rows.divisor.data<T>()[0] = static_cast<T>(divisor);
  });
}

void softmax_cross_entropy_backward(Cpu& cpu, const MarginOptions& options, const Tensor& logits, const Tensor& labels,
                                    const MarginInputs& inputs, const Tensor& row_values, const Tensor& dloss, const Gradient& dlogits,
                                    const Gradient& dnorms, const LossRows& rows) {
  with_float(logits.dtype(), who, [&]<class T>() {
    const ClassRows<T> all(logits, labels, options.form.centres);
    const Norms<T> norms(options, inputs);
    const Weights<T> weights(rows, labels);
    const MarginRow<T>* const saved = margin_rows_of<T>(row_values);
    T* const out = dlogits ? dlogits.tensor.data<T>().data() : nullptr;
    T* const norms_out = dnorms ? dnorms.tensor.data<T>().data() : nullptr;
    const T divisor = rows.divisor.defined() ? rows.divisor.data<T>()[0] : static_cast<T>(std::max<std::int64_t>(all.rows, 1));
    const T share_of_weight = static_cast<T>(rows.factor) * dloss.data<T>()[0] / divisor;
    for_rows(cpu, all.rows, all.columns(), [&](std::int64_t i) {
      const T weight = weights.of(i);
      if (weight == 0) {
        if (out != nullptr && dlogits.write == Write::assign) std::fill_n(out + i * all.columns(), all.columns(), T{0});
        if (norms_out != nullptr) put(norms_out[i], T{0}, dnorms.write);
        return;
      }
      const ClassRow<T> row = all.row(i);
      const MarginRow<T> found = saved[i];
      const T share = share_of_weight * weight, scale = norms.scale(i), factor = share * scale;
      const bool sums_along = norms_out != nullptr && norms.scales();
      const T of_target = -(found.others / found.sum);  // p_y - 1
      // sum_j p_j z_j - z_y over the scale: the cosine is offset by the target's, so that nearly
      // equal terms cancel exactly, and the target's own term is zero.
      double along = 0;
      with_negative_rule<T>(options.form, [&]<class Rule>() {
        const Rule negative = Rule::of(options.form, found);
        row.for_blocks([=](T c) { return scale * negative.value(c); }, nothing<T>,
                       [&](Block<T>& block) {
                         for_vectors(block, [inverse = 1 / found.sum, largest = found.largest](int, T* values) {
                           store(values, inverse * exponential<T>(load(values) - largest));
                         });
                         if (sums_along) {
                           along += static_cast<double>(lane_sum<T>(
                               block.length, [values = block.values, cosines = block.cosines, negative, target = found.target](
                                                 std::int64_t j) { return values[j] * (negative.value(cosines[j]) - target); }));
                         }
                         if (out == nullptr) return;
                         if constexpr (!std::is_same_v<Rule, PlainNegative<T>>) {
                           const auto own = negative;  // no store to the block can change it
                           const T* const cosines = block.cosines;
                           for (std::int64_t j = 0; j < block.length; ++j) block.values[j] *= own.slope(cosines[j]);
                         }
                         if (T* const label = row.target_in(block)) *label = of_target * found.slope;
                         row.put_gradients(block, factor, out + i * all.columns(), dlogits.write);
                       });
      });
      if (norms_out == nullptr) return;
      const T of_margin = norms.scales() ? static_cast<T>(along) : of_target * scale * found.by_norm;
      const T of_penalty = static_cast<T>(NormTerm::of(options.form, static_cast<double>(norms.norm(i))).slope);
      put(norms_out[i], share * (of_margin + of_penalty), dnorms.write);
    });
  });
}

}  // namespace amnet
