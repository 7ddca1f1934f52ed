// P5: exact agreement with a slow implementation, ties included.
#include <amnet/core/random.h>
#include <amnet/faces/verification.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <set>
#include <vector>

#include "catch.h"

using namespace amnet;

namespace {

using Scores = std::vector<double>;
using Kinds = std::vector<std::uint8_t>;

// The slow implementation: follows the definition literally, sharing no code with the library.
namespace slow {

double accuracy(double t, const Scores& scores, const Kinds& same) {
  int right = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (same[i] && scores[i] > t) right++;
    if (!same[i] && scores[i] < t) right++;
  }
  return 100.0 * right / static_cast<double>(scores.size());
}

std::vector<double> candidates(Protocol protocol, const Scores& scores) {
  std::vector<double> result;
  if (protocol == Protocol::sphereface) {
    for (int k = -10000; k <= 10000; ++k) result.push_back(k / 10000.0);
    return result;
  }
  const std::set<double> different(scores.begin(), scores.end());
  for (auto low = different.begin(), high = std::next(low); high != different.end(); ++low, ++high) result.push_back((*low + *high) / 2);
  return result;
}

double threshold(Protocol protocol, const Scores& scores, const Kinds& same) {
  double best = -1;
  std::vector<double> winners;
  for (const double t : candidates(protocol, scores)) {
    const double reached = accuracy(t, scores, same);
    if (reached > best) winners.clear();
    if (reached >= best) {
      best = reached;
      winners.push_back(t);
    }
  }
  // For sphereface in ten-thousandths: sums of integers are exact. The scores of the test are
  // multiples of 1/512, so that sums of their midpoints are exact, too: there is only one right
  // answer, bit for bit.
  double sum = 0;
  for (const double t : winners) sum += protocol == Protocol::sphereface ? std::round(t * 10000) : t;
  const double mean = sum / static_cast<double>(winners.size());
  return protocol == Protocol::sphereface ? mean / 10000 : mean;
}

double true_accepts(double far, const Scores& genuine, Scores impostor) {
  const auto n = static_cast<int>(std::round(far * static_cast<double>(impostor.size())));
  for (int i = 0; i < n - 1; ++i) impostor.erase(std::max_element(impostor.begin(), impostor.end()));
  const double top = *std::max_element(impostor.begin(), impostor.end());
  // The removed scores reach the threshold too. If more than the last of the remaining ones reach
  // it, more are accepted than requested.
  if (n > 0 && std::count(impostor.begin(), impostor.end(), top) > 1) return std::numeric_limits<double>::quiet_NaN();
  int accepted = 0;
  for (const double score : genuine) accepted += n == 0 ? score > top : score >= top;
  return 100.0 * accepted / static_cast<double>(genuine.size());
}

/// The same number, or both none.
bool same_rate(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

double cosine(const std::vector<double>& a, const std::vector<double>& b, const std::vector<double>& mean) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t d = 0; d < a.size(); ++d) ab += (a[d] - mean[d]) * (b[d] - mean[d]);
  for (std::size_t d = 0; d < a.size(); ++d) aa += (a[d] - mean[d]) * (a[d] - mean[d]);
  for (std::size_t d = 0; d < a.size(); ++d) bb += (b[d] - mean[d]) * (b[d] - mean[d]);
  return aa == 0 || bb == 0 ? 0 : ab / std::sqrt(aa * bb);
}

}  // namespace slow

}  // namespace

TEST_CASE("verification: P5, thresholds and accuracies equal a slow implementation on 100 random score sets", "[verification]") {
  int met = 0, unmet = 0;
  for (std::uint64_t set = 0; set < 100; ++set) {
    const Random random(5, stream_of("score sets"), set);
    const std::size_t size = 4 + random.below(0, 120);
    const double steps = set % 3 == 0 ? 8 : set % 3 == 1 ? 64 : 512;  // few steps: many ties
    Scores scores[2];
    Kinds same[2];
    std::uint64_t draw = 1;
    for (int part = 0; part < 2; ++part) {
      for (std::size_t i = 0; i < size; ++i) {
        same[part].push_back(random.below(draw++, 2) == 1);
        const double centre = same[part].back() ? 0.25 : -0.125;
        scores[part].push_back(std::clamp(std::round((centre + 0.25 * random.normal(draw++)) * steps) / steps, -1.0, 1.0));
      }
    }
    for (const Protocol protocol : {Protocol::amsoftmax, Protocol::sphereface}) {
      CAPTURE(set, size, name_of(protocol));
      if (std::set<double>(scores[0].begin(), scores[0].end()).size() < 2) continue;
      const double threshold = choose_threshold(protocol, scores[0], same[0]);
      REQUIRE(threshold == slow::threshold(protocol, scores[0], same[0]));
      REQUIRE(accuracy_at(threshold, scores[1], same[1]) == slow::accuracy(threshold, scores[1], same[1]));
    }
    Scores genuine, impostor;
    for (std::size_t i = 0; i < size; ++i) (same[0][i] ? genuine : impostor).push_back(scores[0][i]);
    if (genuine.empty() || impostor.empty()) continue;
    for (const double far : {0.001, 0.01, 0.05, 0.2, 1.0}) {
      CAPTURE(set, far);
      const AcceptRate rate = accept_rate_at(far, genuine, impostor);
      REQUIRE(slow::same_rate(rate.tar, slow::true_accepts(far, genuine, impostor)));
      REQUIRE((!std::isnan(rate.tar) || !rate.note.empty()));
      ++(std::isnan(rate.tar) ? unmet : met);
    }
  }
  CHECK((met > 50 && unmet > 50));
}

TEST_CASE("verification: P5, whole runs from features equal a slow implementation", "[verification]") {
  // Features are small integers and means are over 2^n sides, so that every sum is exact in any
  // order. Images are shared by pairs.
  for (std::uint64_t run = 0; run < 40; ++run) {
    const Random random(6, stream_of("features"), run);
    const int folds = 2, per_fold = 16, images = 23;
    const std::int64_t width = 3;
    Pairs pairs;
    pairs.folds = folds;
    std::uint64_t draw = 0;
    for (std::int32_t i = 0; i < images; ++i) {
      pairs.images.push_back("image_" + std::to_string(i));
      pairs.people.push_back(i % 7);
    }
    pairs.names.resize(7);
    for (int i = 0; i < folds * per_fold; ++i) {
      const auto a = static_cast<std::int32_t>(random.below(draw++, images));
      const auto b = static_cast<std::int32_t>((static_cast<std::uint64_t>(a) + 1 + random.below(draw++, images - 1)) % images);
      pairs.pairs.push_back({a, b, a % 7 == b % 7, i / per_fold});
    }
    Tensor views[2] = {Tensor({images, width}, DType::f32), Tensor({images, width}, DType::f32)};
    for (const Tensor& view : views) {
      std::int64_t i = 0;
      for (float& x : view.data<float>()) {
        x = static_cast<float>(static_cast<int>(random.below(draw++, 5)) - 2) + static_cast<float>((i++ / width) % 7 % 3);
      }
    }
    for (const Protocol protocol : {Protocol::amsoftmax, Protocol::sphereface}) {
      CAPTURE(run, name_of(protocol));
      std::vector<std::vector<double>> feature(images);
      for (std::size_t i = 0; i < images; ++i) {
        for (std::size_t d = 0; d < 3; ++d) {
          const double x = views[0].data<float>()[i * 3 + d], y = views[1].data<float>()[i * 3 + d];
          feature[i].push_back(protocol == Protocol::amsoftmax ? x + y : x);
        }
        if (protocol == Protocol::sphereface) {
          for (std::size_t d = 0; d < 3; ++d) feature[i].push_back(views[1].data<float>()[i * 3 + d]);
        }
      }
      const auto at = [&](std::int32_t image) -> const std::vector<double>& { return feature[static_cast<std::size_t>(image)]; };
      const auto mean_of = [&](auto&& wanted) {
        std::vector<double> mean(feature[0].size(), 0.0);
        if (protocol == Protocol::amsoftmax) return mean;
        double sides = 0;
        for (const Pair& pair : pairs.pairs) {
          if (!wanted(pair)) continue;
          sides += 2;
          for (std::size_t d = 0; d < mean.size(); ++d) mean[d] += at(pair.a)[d] + at(pair.b)[d];
        }
        for (double& value : mean) value /= sides;
        return mean;
      };
      const Verification v = verify(pairs, views[0], views[1], {.protocol = protocol, .far = {0.01, 0.1}});
      double mean_accuracy = 0;
      for (int fold = 0; fold < folds; ++fold) {
        const auto mean = mean_of([&](const Pair& pair) { return pair.fold != fold; });
        Scores scores[2];
        Kinds same[2];
        for (std::size_t i = 0; i < pairs.pairs.size(); ++i) {
          const Pair& pair = pairs.pairs[i];
          const double score = slow::cosine(at(pair.a), at(pair.b), mean);
          scores[pair.fold == fold].push_back(score);
          same[pair.fold == fold].push_back(pair.same);
          if (pair.fold == fold) REQUIRE(v.scores[i] == score);
        }
        const double threshold = slow::threshold(protocol, scores[0], same[0]);
        const Fold& got = v.folds[static_cast<std::size_t>(fold)];
        REQUIRE(got.threshold == Approx(threshold).epsilon(1e-15));
        REQUIRE(got.accuracy == slow::accuracy(got.threshold, scores[1], same[1]));
        double right = 0;
        for (std::size_t i = 0; i < pairs.pairs.size(); ++i) right += pairs.pairs[i].fold == fold ? v.correct[i] : 0;
        REQUIRE(got.accuracy == 100 * right / per_fold);
        mean_accuracy += got.accuracy / folds;
      }
      REQUIRE(v.accuracy_mean == mean_accuracy);
      Scores genuine, impostor;
      const auto mean = mean_of([](const Pair&) { return true; });
      for (std::int32_t i = 0; i < images; ++i) {
        for (std::int32_t j = 0; j < i; ++j) (i % 7 == j % 7 ? genuine : impostor).push_back(slow::cosine(at(i), at(j), mean));
      }
      REQUIRE(v.genuine_pairs == static_cast<std::int64_t>(genuine.size()));
      REQUIRE(v.impostor_pairs == static_cast<std::int64_t>(impostor.size()));
      REQUIRE(slow::same_rate(v.accept_rates[0].tar, slow::true_accepts(0.01, genuine, impostor)));
      REQUIRE(slow::same_rate(v.accept_rates[1].tar, slow::true_accepts(0.1, genuine, impostor)));
      REQUIRE(v.roc.front().far > 0);
      REQUIRE(v.roc.back().far == 1);
      REQUIRE(std::is_sorted(v.roc.begin(), v.roc.end(), [](const AcceptRate& a, const AcceptRate& b) { return a.far < b.far; }));
    }
  }
}
