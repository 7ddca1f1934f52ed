#include <amnet/kernels/accuracy.h>

#include <vector>

#include "kernels/arguments.h"
#include "lanes.h"

namespace amnet {
namespace {

/// Whether the label has the largest logit: unless another class has a greater one, one after the
/// target that is at least as large, or a larger one before it. The label has `centres` columns.
template <class T>
bool is_best(const T* row, std::int64_t columns, std::int64_t centres, std::int64_t label) {
  const std::int64_t begin = label * centres, end = begin + centres;
  T target = row[begin];
  for (std::int64_t k = begin + 1; k < end; ++k) target = row[k] > target ? row[k] : target;
  return target == target && lane_max(row, begin) <= target && lane_max(row + end, columns - end) < target;
}

/// Whether fewer than k classes are better than the label.
template <class T>
bool is_among_best(const AccuracyRule& rule, const T* row, std::int64_t classes, std::int64_t label) {
  // of distances the smallest is best, and the smaller index among equal ones
  const T sign = rule.min_is_better ? T{-1} : T{1};
  const T target = sign * row[label];
  if (!(target > -std::numeric_limits<T>::infinity())) return false;
  std::int64_t better = 0;
  for (std::int64_t c = 0; c < classes; ++c) {
    const T other = sign * row[c];
    const bool wins_ties = rule.min_is_better ? c < label : c > label;
    better += other > target || (other == target && wins_ties);
  }
  return better < rule.top_k;
}

}  // namespace

void accuracy_forward(Cpu& cpu, const Tensor& logits, const Tensor& labels, const Tensor& accuracy, const AccuracyRule& rule) {
  check_accuracy(logits, labels, rule);
  const Tensor& per_class = rule.per_class;
  with_float(logits.dtype(), "accuracy", [&]<class T>() {
    const auto [samples, columns] = matrix_of(logits);
    const std::int64_t classes = columns / rule.centres;
    const T* in = logits.data<T>().data();
    const std::int64_t* targets = labels.data<std::int64_t>().data();
    const T* weight = elements_or_null<const T>(rule.weights);
    const bool plain = rule.top_k == 1 && !rule.min_is_better;
    enum Verdict : unsigned char { wrong, right, not_counted };
    std::vector<Verdict> verdicts(static_cast<std::size_t>(samples));
    for_rows(cpu, samples, columns, [&, columns = columns](std::int64_t i) {
      const T* row = in + i * columns;
      const std::int64_t label = targets[i];
      Verdict& verdict = verdicts[static_cast<std::size_t>(i)];
      if (label == rule.ignore_label || (weight != nullptr && weight[i] == 0)) {
        verdict = not_counted;
      } else {
        verdict = (plain ? is_best(row, columns, rule.centres, label) : is_among_best(rule, row, columns, label)) ? right : wrong;
      }
    });
    std::vector<std::int64_t> counted(per_class.defined() ? static_cast<std::size_t>(classes) : 0), hits(counted);
    std::int64_t count = 0, sum = 0;
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
      if (verdicts[i] == not_counted) continue;
      ++count;
      sum += verdicts[i];
      if (!per_class.defined()) continue;
      const auto label = static_cast<std::size_t>(targets[i]);
      ++counted[label];
      hits[label] += verdicts[i];
    }
    const auto share = [](std::int64_t of, std::int64_t all) {
      return static_cast<T>(static_cast<double>(of) / static_cast<double>(std::max<std::int64_t>(all, 1)));
    };
    accuracy.data<T>()[0] = share(sum, count);
    for (std::size_t c = 0; c < counted.size(); ++c) per_class.data<T>()[c] = share(hits[c], counted[c]);
  });
}

}  // namespace amnet
