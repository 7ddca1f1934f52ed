#include <amnet/kernels/proxy_triplet_loss.h>

#include <cmath>

#include "kernels/arguments.h"
#include "sum_of_rows.h"

namespace amnet {
namespace {

template <class T>
class Triplets {
 public:
  Triplets(const ProxyTripletRule& rule, const Tensor& distances, const Tensor& labels, const Tensor& weights)
      : samples(distances.extent(0)),
        classes(distances.extent(1)),
        rule_(rule),
        margin_(static_cast<T>(rule.margin)),
        distances_(distances.data<const T>().data()),
        labels_(labels.data<const std::int64_t>().data()),
        weights_(elements_or_null<const T>(weights)) {}

  const std::int64_t samples, classes;

  std::int64_t label(std::int64_t i) const { return labels_[i]; }
  T at(std::int64_t i, std::int64_t j) const { return distances_[i * classes + j]; }
  double weight(std::int64_t i) const { return weights_ != nullptr ? static_cast<double>(weights_[i]) : 1; }

  bool is_only_pulled(std::int64_t i) const { return rule_.positive_first && at(i, label(i)) > static_cast<T>(rule_.positive_upper_bound); }
  bool is_pulled(std::int64_t i) const { return rule_.add_center_loss || is_only_pulled(i); }

  /// Without the weight; above 0.
  T shortfall(std::int64_t i, std::int64_t j) const { return at(i, label(i)) + margin_ - at(i, j); }

  /// Calls body(j, shortfall) for every push of the sample that counts.
  template <class Body>
  void for_pushes(std::int64_t i, Body&& body) const {
    if (is_only_pulled(i)) return;
    std::int64_t hardest = -1;
    T most = 0;
    for (std::int64_t j = 0; j < classes; ++j) {
      const T missing = shortfall(i, j);
      if (j == label(i) || !(missing > 0)) continue;
      if (!rule_.hardest_only) {
        body(j, missing);
      } else if (missing > most) {
        hardest = j, most = missing;
      }
    }
    if (hardest >= 0) body(hardest, most);
  }

  /// N times the part of the loss that is the sample's.
  double loss(std::int64_t i) const {
    double pushes = 0;
    for_pushes(i, [&](std::int64_t, T missing) { pushes += static_cast<double>(missing); });
    if (rule_.reference) return std::abs(rule_.negative_weight) * pushes;
    const double pull = is_pulled(i) ? rule_.positive_weight * static_cast<double>(at(i, label(i))) : 0;
    return weight(i) * (rule_.negative_weight * pushes + pull);
  }

 private:
  ProxyTripletRule rule_;
  T margin_;
  const T* distances_;
  const std::int64_t* labels_;
  const T* weights_;
};

}  // namespace

void proxy_triplet_loss_forward(Cpu& cpu, const ProxyTripletRule& rule, const Tensor& distances, const Tensor& labels,
                                const Tensor& weights, const Tensor& loss, const Tensor& means) {
  check_labels(labels, distances.extent(0), distances.extent(1), "proxy_triplet_loss");
  with_float(distances.dtype(), "proxy_triplet_loss", [&]<class T>() {
    const Triplets<T> triplets(rule, distances, labels, weights);
    const std::int64_t samples = triplets.samples, classes = triplets.classes;
    const auto count = static_cast<double>(std::max<std::int64_t>(samples, 1));
    loss.data<T>()[0] = static_cast<T>(sum_of_rows(cpu, samples, classes, [&](std::int64_t i) { return triplets.loss(i); }) / count);
    if (!means.defined()) return;
    const auto own = [&](std::int64_t i) { return static_cast<double>(triplets.at(i, triplets.label(i))); };
    const double positive = sum_of_rows(cpu, samples, 1, own);
    const double negative = sum_of_rows(cpu, samples, classes, [&](std::int64_t i) {
      double of_row = 0;
      for (std::int64_t j = 0; j < classes; ++j) of_row += j == triplets.label(i) ? 0 : static_cast<double>(triplets.at(i, j));
      return of_row;
    });
    means.data<T>()[0] = static_cast<T>(positive / count);
    means.data<T>()[1] = static_cast<T>(negative / count / static_cast<double>(std::max<std::int64_t>(classes - 1, 1)));
  });
}

void proxy_triplet_loss_backward(Cpu& cpu, const ProxyTripletRule& rule, const Tensor& distances, const Tensor& labels,
                                 const Tensor& weights, const Tensor& dloss, const Gradient& ddistances) {
  if (!ddistances) return;
  with_float(distances.dtype(), "proxy_triplet_loss", [&]<class T>() {
    const Triplets<T> triplets(rule, distances, labels, weights);
    const std::int64_t classes = triplets.classes;
    const double share = static_cast<double>(dloss.data<const T>()[0]) / static_cast<double>(std::max<std::int64_t>(triplets.samples, 1));
    T* to = ddistances.tensor.data<T>().data();
    for_rows(cpu, triplets.samples, classes, [&](std::int64_t i) {
      T* row = to + i * classes;
      if (ddistances.write == Write::assign) std::fill_n(row, classes, T{0});
      const double own = share * triplets.weight(i);
      std::int64_t pushes = 0;
      triplets.for_pushes(i, [&](std::int64_t j, T) {
        row[j] -= static_cast<T>(own * rule.negative_weight);
        ++pushes;
      });
      const bool pulled = triplets.is_pulled(i) || (rule.reference && pushes > 0);
      const double slope = (pulled ? rule.positive_weight : 0) + (rule.reference ? 0 : rule.negative_weight * static_cast<double>(pushes));
      row[triplets.label(i)] += static_cast<T>(own * slope);
    });
  });
}

}  // namespace amnet
