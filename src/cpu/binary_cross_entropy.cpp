#include <amnet/kernels/binary_cross_entropy.h>

#include <vector>

#include "kernels/binary_terms.h"
#include "margin_rows.h"

namespace amnet {
namespace {

constexpr std::string_view who = "binary_cross_entropy";

/// log(1 + x) for x in [0, 1], by 2 atanh(x / (2 + x)): of small x nothing is lost.
template <class T>
Vector<T> log_of_one_plus(Vector<T> x) {
  constexpr int terms = sizeof(T) == 4 ? 7 : 17;
  const Vector<T> ratio = x / (x + T{2}), square = ratio * ratio;
  Vector<T> sum = broadcast(T{1} / (2 * terms - 1));
#pragma GCC unroll 16
  for (int k = terms - 2; k >= 0; --k) sum = sum * square + T{1} / static_cast<T>(2 * k + 1);
  return 2 * (sum * ratio);
}

template <class T>
Vector<T> exponential_of_minus_magnitude(Vector<T> z) {
  return exponential<T>(z < broadcast(T{0}) ? z : -z);
}
/// log(1 + exp(z)).
template <class T>
Vector<T> soft_plus(Vector<T> z) {
  const Vector<T> zero = broadcast(T{0});
  return (z > zero ? z : zero) + log_of_one_plus<T>(exponential_of_minus_magnitude<T>(z));
}
/// 1 / (1 + exp(-z)).
template <class T>
Vector<T> sigmoid(Vector<T> z) {
  const Vector<T> small = exponential_of_minus_magnitude<T>(z), one = broadcast(T{1});
  return (z < broadcast(T{0}) ? small : one) / (one + small);
}

/// What turns cosines into z.
template <class T>
struct Batch {
  Batch(const BinaryOptions& of, const Tensor& cosines, const Tensor& labels, const Tensor& bias)
      : options(of), margin{.scale = 1, .form = of.form}, rows(cosines, labels, of.form.centres), terms(of, bias.data<T>()[0]) {}

  /// The row's T, its derivative, and what its negatives need.
  MarginRow<T> target_of(std::int64_t i) const {
    MarginRow<T> found{};
    set_margin(found, margin, MarginStatistics{}, rows.row(i).target_cosine(), T{0});
    return found;
  }
  /// Calls body(block) with the z of each block of a row; the label's is `of_label`.
  template <class Body>
  void for_blocks(std::int64_t i, const MarginRow<T>& found, T of_label, Body&& body) const {
    with_negative_rule<T>(options.form, [&]<class Rule>() {
      const Rule negative = Rule::of(options.form, found);
      rows.row(i).for_blocks([negative, known = terms](T c) { return known.of_negative(negative.value(c)); }, of_label,
                             [&](Block<T>& block) { body(block, negative); });
    });
  }

  const BinaryOptions& options;
  MarginOptions margin;
  ClassRows<T> rows;
  BinaryTerms<T> terms;
};

}  // namespace

void binary_logits(Cpu& cpu, const BinaryOptions& options, const Tensor& cosines, const Tensor& labels, const Tensor& bias,
                   const Tensor& z) {
  check_binary_cross_entropy(options, cosines, labels, bias);
  with_float(cosines.dtype(), who, [&]<class T>() {
    const Batch<T> batch(options, cosines, labels, bias);
    T* const out = z.data<T>().data();
    for_rows(cpu, batch.rows.rows, batch.rows.columns(), [&](std::int64_t i) {
      const MarginRow<T> found = batch.target_of(i);
      batch.for_blocks(i, found, batch.terms.of_target(found.target), [&](const Block<T>& block, const auto&) {
        std::copy_n(block.values, block.length, out + i * batch.rows.classes + block.begin);
      });
    });
  });
}

void binary_cross_entropy_forward(Cpu& cpu, const BinaryOptions& options, const Tensor& cosines, const Tensor& labels, const Tensor& bias,
                                  const Tensor& row_values, const Tensor& loss) {
  check_binary_cross_entropy(options, cosines, labels, bias);
  check_row_values(row_values, cosines, who);
  with_float(cosines.dtype(), who, [&]<class T>() {
    const Batch<T> batch(options, cosines, labels, bias);
    MarginRow<T>* const out = margin_rows_of<T>(row_values);
    std::vector<double> losses(static_cast<std::size_t>(batch.rows.rows));
    for_rows(cpu, batch.rows.rows, batch.rows.columns(), [&](std::int64_t i) {
      out[i] = batch.target_of(i);
      double others = 0;
      // Minus infinity: the label adds nothing to the sum over the others.
      batch.for_blocks(i, out[i], -std::numeric_limits<T>::infinity(), [&](Block<T>& block, const auto&) {
        Vector<T> sums[Block<T>::vectors] = {};
        for_vectors(block, [&](int v, const T* values) { sums[v] += soft_plus<T>(load(values)); });
        others += static_cast<double>(over_lanes<T>(sums[0] + sums[1], [](T a, T b) { return a + b; }));
      });
      const auto target = static_cast<double>(batch.terms.of_target(out[i].target));
      const double own = std::max(0.0, -target) + std::log1p(std::exp(-std::abs(target)));
      losses[static_cast<std::size_t>(i)] = options.balance * own + (1 - options.balance) * others;
    });
    double sum = 0;
    for (const double each : losses) sum += each;
    loss.data<T>()[0] =
        static_cast<T>(options.factor / options.scale * sum / static_cast<double>(std::max<std::int64_t>(1, batch.rows.rows)));
  });
}

void binary_cross_entropy_backward(Cpu& cpu, const BinaryOptions& options, const Tensor& cosines, const Tensor& labels, const Tensor& bias,
                                   const Tensor& row_values, const Tensor& dloss, const Gradient& dcosines, const Gradient& dbias) {
  with_float(cosines.dtype(), who, [&]<class T>() {
    const Batch<T> batch(options, cosines, labels, bias);
    const MarginRow<T>* const saved = margin_rows_of<T>(row_values);
    T* const out = dcosines ? dcosines.tensor.data<T>().data() : nullptr;
    const T share =
        static_cast<T>(options.factor / options.scale) * dloss.data<T>()[0] / static_cast<T>(std::max<std::int64_t>(1, batch.rows.rows));
    const T of_others = share * static_cast<T>(1 - options.balance), of_own = share * static_cast<T>(options.balance);
    std::vector<double> sums(static_cast<std::size_t>(batch.rows.rows));
    for_rows(cpu, batch.rows.rows, batch.rows.columns(), [&](std::int64_t i) {
      const ClassRow<T> row = batch.rows.row(i);
      const MarginRow<T> found = saved[i];
      const T target = batch.terms.of_target(found.target);
      const T own = -of_own / (1 + std::exp(target));  // dloss / dz of the label
      double sum = 0;
      batch.for_blocks(i, found, -std::numeric_limits<T>::infinity(), [&](Block<T>& block, const auto& negative) {
        for_vectors(block, [&](int, T* values) { store(values, of_others * sigmoid<T>(load(values))); });
        sum += static_cast<double>(lane_sum<T>(block.length, [values = block.values](std::int64_t j) { return values[j]; }));
        if (out == nullptr) return;
        for (std::int64_t j = 0; j < block.length; ++j) {
          const T c = block.cosines[j];
          block.values[j] *= batch.terms.slope(negative.value(c)) * negative.slope(c);
        }
        if (T* const label = row.target_in(block)) *label = own * batch.terms.slope(found.target) * found.slope;
        row.put_gradients(block, T{1}, out + i * batch.rows.columns(), dcosines.write);
      });
      sums[static_cast<std::size_t>(i)] = sum + static_cast<double>(own);
    });
    if (!dbias) return;
    double sum = 0;
    for (const double each : sums) sum += each;
    put(dbias.tensor.data<T>()[0], static_cast<T>(sum), dbias.write);
  });
}

}  // namespace amnet
