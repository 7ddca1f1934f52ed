#include <amnet/kernels/proxy_contrastive_loss.h>

#include <cmath>

#include "sum_of_rows.h"

namespace amnet {
namespace {

template <class T>
class Proxies {
 public:
  Proxies(const ProxyContrastiveRule& rule, const Tensor& distances, const Tensor& labels, double negative_margin)
      : samples(distances.extent(0)),
        classes(distances.extent(1)),
        rule_(rule),
        positive_margin_(static_cast<T>(rule.positive_margin)),
        negative_margin_(static_cast<T>(negative_margin)),
        positive_weight_(static_cast<T>(rule.positive_weight)),
        negative_weight_(static_cast<T>(rule.negative_weight)),
        outlier_(static_cast<T>(rule.positive_outlier_threshold)),
        distances_(distances.data<const T>().data()),
        labels_(labels.data<const std::int64_t>().data()),
        only_pull_(rule.max_positive_only ? chosen_pull() : -1) {}

  const std::int64_t samples, classes;

  std::int64_t label(std::int64_t i) const { return labels_[i]; }
  T at(std::int64_t i, std::int64_t j) const { return distances_[i * classes + j]; }
  T pull(std::int64_t i) const { return std::min(outlier_, std::max(T{0}, at(i, label(i)) - positive_margin_)); }
  bool is_active(std::int64_t i, std::int64_t j) const { return j != label(i) && at(i, j) < negative_margin_; }
  /// Of an active proxy.
  T push(std::int64_t i, std::int64_t j) const { return rule_.exp_negative_weight ? std::exp(-at(i, j)) : negative_margin_ - at(i, j); }
  /// max(0, negative_margin - D), for the means.
  T shortfall(std::int64_t i, std::int64_t j) const { return is_active(i, j) ? negative_margin_ - at(i, j) : T{0}; }

  bool pull_counts(std::int64_t i) const { return only_pull_ < 0 || only_pull_ == i; }
  bool is_only_pulled(std::int64_t i) const { return rule_.positive_first && at(i, label(i)) > static_cast<T>(rule_.positive_upper_bound); }

  /// Calls body(j) for every push of the sample that counts.
  template <class Body>
  void for_pushes(std::int64_t i, Body&& body) const {
    if (is_only_pulled(i)) return;
    if (rule_.max_negative_only) {
      const std::int64_t hardest = hardest_of(i);
      if (hardest >= 0 && is_active(i, hardest)) body(hardest);
      return;
    }
    for (std::int64_t j = 0; j < classes; ++j) {
      if (is_active(i, j)) body(j);
    }
  }

  /// N times the part of the loss that is the sample's.
  double loss(std::int64_t i) const {
    const auto part = [this](T value) { return static_cast<double>(rule_.reference ? std::abs(value) : value); };
    double sum = pull_counts(i) ? part(positive_weight_ * pull(i)) : 0;
    for_pushes(i, [&](std::int64_t j) { sum += part(negative_weight_ * push(i, j)); });
    return sum;
  }

  /// N times the gradient of D_iy.
  T pull_slope(std::int64_t i) const {
    if (rule_.reference && is_only_pulled(i)) return positive_weight_;
    const T distance = at(i, label(i)), beyond = rule_.reference ? distance : distance - positive_margin_;
    return distance > positive_margin_ && beyond < outlier_ && pull_counts(i) ? positive_weight_ : T{0};
  }
  /// N times the negative gradient of the distance to an active proxy.
  T push_slope(std::int64_t i, std::int64_t j) const {
    return rule_.exp_negative_weight ? std::exp(-at(i, j)) * negative_weight_ : negative_weight_;
  }

 private:
  std::int64_t chosen_pull() const {
    std::int64_t chosen = 0;
    for (std::int64_t i = 1; i < samples; ++i) {
      const T one = positive_weight_ * pull(i), other = positive_weight_ * pull(chosen);
      if (rule_.reference ? one < other : one > other) chosen = i;
    }
    return chosen;
  }
  std::int64_t hardest_of(std::int64_t i) const {
    // the reference code begins with class 0, whatever that is
    std::int64_t hardest = -1;
    T most = 0;
    if (rule_.reference) {
      hardest = 0;
      most = label(i) == 0 ? positive_weight_ * pull(i) : is_active(i, 0) ? negative_weight_ * push(i, 0) : T{0};
    }
    for (std::int64_t j = 0; j < classes; ++j) {
      if (!is_active(i, j)) continue;
      const T own = negative_weight_ * push(i, j);
      if (own > most) hardest = j, most = own;
    }
    return hardest;
  }

  ProxyContrastiveRule rule_;
  T positive_margin_, negative_margin_, positive_weight_, negative_weight_, outlier_;
  const T* distances_;
  const std::int64_t* labels_;
  std::int64_t only_pull_;  // the sample whose pull is the only one that counts, or -1
};

}  // namespace

double proxy_contrastive_loss_forward(Cpu& cpu, const ProxyContrastiveRule& rule, const Tensor& distances, const Tensor& labels,
                                      double negative_margin, const ProxyLossOutputs& outputs) {
  check_labels(labels, distances.extent(0), distances.extent(1), "proxy_contrastive_loss");
  double mean_pull = 0;
  with_float(distances.dtype(), "proxy_contrastive_loss", [&]<class T>() {
    const Proxies<T> proxies(rule, distances, labels, negative_margin);
    const std::int64_t samples = proxies.samples, classes = proxies.classes;
    const auto count = static_cast<double>(std::max<std::int64_t>(samples, 1));
    const double sum = sum_of_rows(cpu, samples, classes, [&](std::int64_t i) { return proxies.loss(i); });
    outputs.loss.data<T>()[0] = static_cast<T>(sum / count);
    mean_pull = sum_of_rows(cpu, samples, 1, [&](std::int64_t i) { return static_cast<double>(proxies.pull(i)); }) / count;
    if (!outputs.means.defined()) return;
    const double shortfalls = sum_of_rows(cpu, samples, classes, [&](std::int64_t i) {
      double of_row = 0;
      for (std::int64_t j = 0; j < classes; ++j) of_row += static_cast<double>(proxies.shortfall(i, j));
      return of_row;
    });
    outputs.means.data<T>()[0] = static_cast<T>(mean_pull);
    outputs.means.data<T>()[1] = static_cast<T>(shortfalls / count / static_cast<double>(std::max<std::int64_t>(classes - 1, 1)));
  });
  return mean_pull;
}

void proxy_contrastive_loss_backward(Cpu& cpu, const ProxyContrastiveRule& rule, const Tensor& distances, const Tensor& labels,
                                     double negative_margin, const Tensor& dloss, const Gradient& ddistances) {
  if (!ddistances) return;
  with_float(distances.dtype(), "proxy_contrastive_loss", [&]<class T>() {
    const Proxies<T> proxies(rule, distances, labels, negative_margin);
    const std::int64_t samples = proxies.samples, classes = proxies.classes;
    const auto count = static_cast<double>(std::max<std::int64_t>(samples, 1));
    const double share = static_cast<double>(dloss.data<const T>()[0]) / count;
    double push_share = share;
    if (rule.normalize_negative.has_value()) {
      const double pushes = sum_of_rows(cpu, samples, classes, [&](std::int64_t i) {
        double of_row = 0;
        proxies.for_pushes(i, [&](std::int64_t j) { of_row += static_cast<double>(proxies.push_slope(i, j)); });
        return of_row;
      });
      const double too_much = std::abs(pushes) / *rule.normalize_negative / count;
      if (too_much > rule.positive_weight) push_share /= too_much;
    }
    T* to = ddistances.tensor.data<T>().data();
    for_rows(cpu, samples, classes, [&](std::int64_t i) {
      T* row = to + i * classes;
      if (ddistances.write == Write::assign) std::fill_n(row, classes, T{0});
      row[proxies.label(i)] += static_cast<T>(share * static_cast<double>(proxies.pull_slope(i)));
      proxies.for_pushes(i, [&](std::int64_t j) { row[j] -= static_cast<T>(push_share * static_cast<double>(proxies.push_slope(i, j))); });
    });
  });
}

}  // namespace amnet
