#include <amnet/kernels/contrastive_loss.h>

#include <cmath>

#include "kernels/arguments.h"
#include "sum_of_rows.h"

namespace amnet {
namespace {

/// The pairs of a batch.
template <class T>
class Pairs {
 public:
  Pairs(const ContrastiveRule& rule, const Tensor& a, const Tensor& b, const Tensor& labels, const Tensor& other_labels)
      : samples(a.extent(0)),
        columns(samples == 0 ? 0 : a.count() / samples),
        rule_(rule),
        margin_(static_cast<T>(rule.margin)),
        a_(a.data<const T>().data()),
        b_(b.data<const T>().data()),
        labels_(labels.data<const std::int64_t>().data()),
        other_labels_(elements_or_null<const std::int64_t>(other_labels)) {}

  /// Twice what the pair adds to N times the loss.
  double loss(std::int64_t pair) const {
    const T squares = squared_distance(pair);
    if (is_similar(pair)) return static_cast<double>(squares);
    if (rule_.legacy) return static_cast<double>(std::max(margin_ - squares, T{0}));
    const T missing = std::max(margin_ - std::sqrt(squares), T{0});
    return static_cast<double>(missing * missing);
  }
  /// What multiplies a - b in N times the gradient.
  T slope(std::int64_t pair) const {
    if (is_similar(pair)) return 1;
    const T squares = squared_distance(pair);
    if (rule_.legacy) return squares < margin_ ? T{-1} : T{0};
    const T distance = std::sqrt(squares), missing = margin_ - distance;
    if (!(missing > 0)) return 0;
    const T divisor = rule_.reference ? distance + static_cast<T>(1e-4) : distance;
    return divisor > 0 ? -missing / divisor : T{0};
  }

  const std::int64_t samples, columns;

 private:
  bool is_similar(std::int64_t pair) const { return other_labels_ != nullptr ? labels_[pair] == other_labels_[pair] : labels_[pair] != 0; }
  T squared_distance(std::int64_t pair) const {
    const T* one = a_ + pair * columns;
    const T* other = b_ + pair * columns;
    return lane_sum<T>(columns, [=](std::int64_t i) { return (one[i] - other[i]) * (one[i] - other[i]); });
  }

  ContrastiveRule rule_;
  T margin_;
  const T *a_, *b_;
  const std::int64_t *labels_, *other_labels_;
};

}  // namespace

void contrastive_loss_forward(Cpu& cpu, const ContrastiveRule& rule, const Tensor& a, const Tensor& b, const Tensor& labels,
                              const Tensor& other_labels, const Tensor& loss) {
  with_float(a.dtype(), "contrastive_loss", [&]<class T>() {
    const Pairs<T> pairs(rule, a, b, labels, other_labels);
    const double sum = sum_of_rows(cpu, pairs.samples, pairs.columns, [&](std::int64_t pair) { return pairs.loss(pair); });
    loss.data<T>()[0] = static_cast<T>(sum / (2 * static_cast<double>(std::max<std::int64_t>(pairs.samples, 1))));
  });
}

void contrastive_loss_backward(Cpu& cpu, const ContrastiveRule& rule, const Tensor& a, const Tensor& b, const Tensor& labels,
                               const Tensor& other_labels, const Tensor& dloss, const Gradient& da, const Gradient& db) {
  with_float(a.dtype(), "contrastive_loss", [&]<class T>() {
    const Pairs<T> pairs(rule, a, b, labels, other_labels);
    const T share = dloss.data<const T>()[0] / static_cast<T>(std::max<std::int64_t>(pairs.samples, 1));
    const T* left = a.data<const T>().data();
    const T* right = b.data<const T>().data();
    T* to_a = da ? da.tensor.data<T>().data() : nullptr;
    T* to_b = db ? db.tensor.data<T>().data() : nullptr;
    for_rows(cpu, pairs.samples, pairs.columns, [&](std::int64_t pair) {
      const T factor = share * pairs.slope(pair);
      for (std::int64_t i = pair * pairs.columns; i < (pair + 1) * pairs.columns; ++i) {
        const T gradient = factor * (left[i] - right[i]);
        if (to_a != nullptr) put(to_a[i], gradient, da.write);
        if (to_b != nullptr) put(to_b[i], -gradient, db.write);
      }
    });
  });
}

}  // namespace amnet
