#include "accept_rate.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

namespace amnet {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

std::int64_t false_accepts_at(double far, std::int64_t impostors) { return std::llround(far * static_cast<double>(impostors)); }

double RankedScores::tar_from(double threshold) const {
  const auto accepted = genuine.end() - std::lower_bound(genuine.begin(), genuine.end(), threshold);
  return 100 * static_cast<double>(accepted) / static_cast<double>(genuine.size());
}

AcceptRate RankedScores::at(double far) const {
  require(far > 0 && far <= 1, "[verification] expected a false accept rate in (0, 1] but got {}.", far);
  if (genuine.empty() || impostor.empty()) {
    return {far, nan, nan, fmt::format("there is no pair of {}", genuine.empty() ? "one person" : "two people")};
  }
  const std::int64_t rank = false_accepts_at(far, impostors);
  if (rank == 0) {
    const double threshold = std::nextafter(impostor.front(), infinity);
    return {far, tar_from(threshold), threshold, fmt::format("none of {} impostor pairs accepted, too few for the rate", impostors)};
  }
  const double threshold = impostor[static_cast<std::size_t>(rank - 1)];
  const auto reaching = std::upper_bound(impostor.begin(), impostor.end(), threshold, std::greater<>()) - impostor.begin();
  if (reaching > rank) {
    return {far, nan, threshold,
            fmt::format("{} impostor pairs reach its threshold, their scores being equal, but {} may", reaching, rank)};
  }
  return {far, tar_from(threshold), threshold};
}

std::vector<AcceptRate> RankedScores::curve(int points) const {
  std::vector<AcceptRate> roc;
  if (genuine.empty() || impostor.empty()) return roc;
  const double last = static_cast<double>(impostor.size());
  std::size_t done = 0;  // impostors at or above the last threshold
  for (int i = 0; i < points; ++i) {
    const auto rank = static_cast<std::size_t>(std::llround(std::pow(last, static_cast<double>(i) / std::max(1, points - 1))));
    if (rank <= done) continue;
    const double threshold = impostor[rank - 1];
    const auto end = std::upper_bound(impostor.begin(), impostor.end(), threshold, std::greater<>());
    done = static_cast<std::size_t>(end - impostor.begin());
    roc.push_back({static_cast<double>(done) / static_cast<double>(impostors), tar_from(threshold), threshold});
  }
  return roc;
}

AcceptRate accept_rate_at(double far, std::span<const double> genuine, std::span<const double> impostor) {
  RankedScores ranked{{genuine.begin(), genuine.end()}, {impostor.begin(), impostor.end()}, static_cast<std::int64_t>(impostor.size())};
  std::sort(ranked.genuine.begin(), ranked.genuine.end());
  std::sort(ranked.impostor.begin(), ranked.impostor.end(), std::greater<>());
  return ranked.at(far);
}

void LargestScores::add(double score) {
  scores_.push_back(score);
  if (scores_.size() >= 2 * limit_) prune();
}

void LargestScores::prune() {
  if (scores_.size() <= limit_) return;
  std::nth_element(scores_.begin(), scores_.begin() + static_cast<std::ptrdiff_t>(limit_), scores_.end(), std::greater<>());
  scores_.resize(limit_);
}

std::vector<double> LargestScores::take() {
  prune();
  std::sort(scores_.begin(), scores_.end(), std::greater<>());
  return std::exchange(scores_, {});
}

}  // namespace amnet
