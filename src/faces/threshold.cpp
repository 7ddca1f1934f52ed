// The threshold rules: exact, by sorting once and looking each candidate up.
#include <amnet/faces/verification.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace amnet {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// The scores of both kinds, each sorted, and how many pairs a threshold judges correctly.
class SortedScores {
 public:
  SortedScores(std::span<const double> scores, std::span<const std::uint8_t> same) {
    for (std::size_t i = 0; i < scores.size(); ++i) (same[i] != 0 ? same_ : different_).push_back(scores[i]);
    std::sort(same_.begin(), same_.end());
    std::sort(different_.begin(), different_.end());
  }
  std::int64_t right_at(double threshold) const {
    return (same_.end() - std::upper_bound(same_.begin(), same_.end(), threshold)) +
           (std::lower_bound(different_.begin(), different_.end(), threshold) - different_.begin());
  }
  /// Every score once, rising.
  std::vector<double> distinct() const {
    std::vector<double> all;
    all.reserve(same_.size() + different_.size());
    std::merge(same_.begin(), same_.end(), different_.begin(), different_.end(), std::back_inserter(all));
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  }

 private:
  std::vector<double> same_, different_;
};

/// The mean of the best candidates so far. The sum is compensated (Neumaier 1974): a tie with the
/// threshold counts wrong, so that the last bit of a mean over many candidates may decide about a
/// pair.
class BestCandidates {
 public:
  void offer(double candidate, std::int64_t right) {
    if (right < best_) return;
    if (right > best_) *this = BestCandidates(right);
    const double sum = sum_ + candidate;
    lost_ += std::abs(sum_) >= std::abs(candidate) ? (sum_ - sum) + candidate : (candidate - sum) + sum_;
    sum_ = sum;
    ++count_;
  }
  double mean() const { return (sum_ + lost_) / static_cast<double>(count_); }

  BestCandidates() = default;

 private:
  explicit BestCandidates(std::int64_t best) : best_(best) {}
  std::int64_t best_ = -1, count_ = 0;
  double sum_ = 0, lost_ = 0;
};

}  // namespace

double choose_threshold(Protocol protocol, std::span<const double> scores, std::span<const std::uint8_t> same) {
  require(scores.size() == same.size(), "[verification] expected one kind for each of {} scores but got {}.", scores.size(), same.size());
  if (scores.empty()) return nan;
  const SortedScores sorted(scores, same);
  BestCandidates best;
  if (protocol == Protocol::sphereface) {
    // In units of 1/10000, where sums are exact.
    for (int k = -10000; k <= 10000; ++k) best.offer(k, sorted.right_at(k / 10000.0));
    return best.mean() / 10000;
  }
  const std::vector<double> distinct = sorted.distinct();
  if (distinct.size() == 1) return distinct.front();
  for (std::size_t i = 1; i < distinct.size(); ++i) {
    const double candidate = std::midpoint(distinct[i - 1], distinct[i]);
    best.offer(candidate, sorted.right_at(candidate));
  }
  return best.mean();
}

double accuracy_at(double threshold, std::span<const double> scores, std::span<const std::uint8_t> same) {
  require(scores.size() == same.size(), "[verification] expected one kind for each of {} scores but got {}.", scores.size(), same.size());
  std::int64_t right = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) right += same[i] != 0 ? scores[i] > threshold : scores[i] < threshold;
  return 100 * static_cast<double>(right) / static_cast<double>(scores.size());
}

}  // namespace amnet
