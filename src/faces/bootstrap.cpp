#include <amnet/core/error.h>
#include <amnet/core/random.h>
#include <amnet/faces/bootstrap.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace amnet {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

double quantile(std::span<const double> rising, double share) {
  const double position = share * static_cast<double>(rising.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, rising.size() - 1);
  return std::lerp(rising[below], rising[above], position - static_cast<double>(below));
}

}  // namespace

Bootstrap paired_bootstrap(const Pairs& pairs, std::span<const double> correct_a, std::span<const double> correct_b,
                           const BootstrapOptions& options) {
  const std::size_t count = pairs.pairs.size();
  require(count > 0 && correct_a.size() == count && correct_b.size() == count,
          "[bootstrap] expected a value for each of {} pairs but got {} for one model and {} for the other.", count, correct_a.size(),
          correct_b.size());
  require(options.resamples >= 1, "[bootstrap] expected at least 1 resample but got {}.", options.resamples);

  struct Item {
    std::size_t a, b;  // people
    bool same;
    double gain;
  };
  std::vector<Item> items;
  std::vector<std::int64_t> drawn;  // how often each person was
  double total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (std::isnan(correct_a[i]) || std::isnan(correct_b[i])) continue;
    const Pair& pair = pairs.pairs[i];
    const auto person = [&](std::int32_t image) { return static_cast<std::size_t>(pairs.people[static_cast<std::size_t>(image)]); };
    items.push_back({person(pair.a), person(pair.b), pair.same, 100 * (correct_a[i] - correct_b[i])});
    drawn.resize(std::max({drawn.size(), items.back().a + 1, items.back().b + 1}));
    total += items.back().gain;
  }

  require<DataError>(!items.empty(), "[bootstrap] not one of the {} pairs was judged by both models.", count);
  Bootstrap result;
  result.pairs = items.size();
  result.difference = total / static_cast<double>(items.size());
  std::vector<double> differences;
  for (int resample = 0; resample < options.resamples; ++resample) {
    const Random random(options.seed, stream_of("bootstrap"), static_cast<std::uint64_t>(resample));
    std::fill(drawn.begin(), drawn.end(), 0);
    for (std::size_t i = 0; i < drawn.size(); ++i) ++drawn[random.below(i, drawn.size())];
    double gain = 0, weight = 0;
    for (const Item& item : items) {
      const auto times = static_cast<double>(item.same ? drawn[item.a] : drawn[item.a] * drawn[item.b]);
      gain += times * item.gain;
      weight += times;
    }
    if (weight > 0) differences.push_back(gain / weight);
  }
  result.resamples = static_cast<int>(differences.size());
  if (differences.empty()) {
    result.mean = result.low = result.high = result.share_above_zero = nan;
    return result;
  }
  const auto size = static_cast<double>(differences.size());
  std::sort(differences.begin(), differences.end());
  result.mean = std::accumulate(differences.begin(), differences.end(), 0.0) / size;
  result.low = quantile(differences, 0.025);
  result.high = quantile(differences, 0.975);
  result.share_above_zero =
      static_cast<double>(std::count_if(differences.begin(), differences.end(), [](double d) { return d > 0; })) / size;
  return result;
}

}  // namespace amnet
