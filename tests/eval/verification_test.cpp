#include <amnet/core/random.h>
#include <amnet/eval/verification.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

#include "catch.h"

using namespace amnet;

namespace {

/// A list whose every pair has two images of its own: image 2i and 2i+1 for pair i. `kinds` is one string for each fold, 's' or 'd'.
Pairs list_of(const std::vector<std::string>& kinds) {
  Pairs pairs;
  pairs.folds = static_cast<int>(kinds.size());
  std::int32_t image = 0, person = 0;
  for (std::size_t fold = 0; fold < kinds.size(); ++fold) {
    for (const char kind : kinds[fold]) {
      const bool same = kind == 's';
      pairs.pairs.push_back({image, image + 1, same, static_cast<std::int32_t>(fold)});
      for (int side = 0; side < 2; ++side, ++image) {
        pairs.images.push_back("image_" + std::to_string(image));
        pairs.people.push_back(side == 1 && same ? person - 1 : person++);
      }
    }
  }
  for (std::int32_t p = 0; p < person; ++p) pairs.names.push_back("person_" + std::to_string(p));
  return pairs;
}

/// Features (2 * angles, 2) such that the cosine of pair i is cos(angles[i]).
Tensor features_of(const std::vector<double>& angles) {
  Tensor features({2 * static_cast<std::int64_t>(angles.size()), 2}, DType::f32);
  auto x = features.data<float>();
  for (std::size_t i = 0; i < angles.size(); ++i) {
    x[4 * i] = 1;
    x[4 * i + 1] = 0;
    x[4 * i + 2] = static_cast<float>(std::cos(angles[i]));
    x[4 * i + 3] = static_cast<float>(std::sin(angles[i]));
  }
  return features;
}

using Scores = std::vector<double>;
using Kinds = std::vector<std::uint8_t>;

// The slow implementation: word by word what the definition says, sharing no code with the library.
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
  // For sphereface in ten-thousandths: sums of integers are exact. The scores of the test are multiples of 1/512, so that sums of their
  // midpoints are exact, too: there is one right answer, bit for bit.
  double sum = 0;
  for (const double t : winners) sum += protocol == Protocol::sphereface ? std::round(t * 10000) : t;
  const double mean = sum / static_cast<double>(winners.size());
  return protocol == Protocol::sphereface ? mean / 10000 : mean;
}

double true_accepts(double far, const Scores& genuine, Scores impostor) {
  const auto n = static_cast<int>(std::round(far * static_cast<double>(impostor.size())));
  for (int i = 0; i < n - 1; ++i) impostor.erase(std::max_element(impostor.begin(), impostor.end()));
  const double top = *std::max_element(impostor.begin(), impostor.end());
  int accepted = 0;
  for (const double score : genuine) accepted += n == 0 ? score > top : score >= top;
  return 100.0 * accepted / static_cast<double>(genuine.size());
}

double cosine(const std::vector<double>& a, const std::vector<double>& b, const std::vector<double>& mean) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t d = 0; d < a.size(); ++d) ab += (a[d] - mean[d]) * (b[d] - mean[d]);
  for (std::size_t d = 0; d < a.size(); ++d) aa += (a[d] - mean[d]) * (a[d] - mean[d]);
  for (std::size_t d = 0; d < a.size(); ++d) bb += (b[d] - mean[d]) * (b[d] - mean[d]);
  return aa == 0 || bb == 0 ? 0 : ab / std::sqrt(aa * bb);
}

}  // namespace slow

}  // namespace

TEST_CASE("verification: two folds, by hand", "[verification]") {
  // Cosines: fold 0 same 0.8 0.5, different 0.1 0.6; fold 1 same 0.9 0.2, different 0.0 0.4.
  const std::vector<double> cosines = {0.8, 0.5, 0.1, 0.6, 0.9, 0.2, 0.0, 0.4};
  std::vector<double> angles;
  for (const double cosine : cosines) angles.push_back(std::acos(cosine));
  const Tensor features = features_of(angles);
  const Verification v = verify(list_of({"ssdd", "ssdd"}), features, features);
  for (std::size_t i = 0; i < cosines.size(); ++i) CHECK(v.scores[i] == Approx(cosines[i]).margin(1e-6));
  // Fold 0 from fold 1: midpoints 0.1 (3 right), 0.3 (2), 0.65 (3), so the mean of 0.1 and 0.65; then 0.8 0.5 0.1 0.6 has 0.8, 0.5, 0.1
  // right.
  CHECK(v.folds[0].threshold == Approx(0.375).margin(1e-6));
  CHECK(v.folds[0].accuracy == 75);
  // Fold 1 from fold 0: midpoints 0.3 (3), 0.55 (2), 0.7 (3): 0.5; of 0.9 0.2 0.0 0.4, 0.9, 0.0 and 0.4 are right.
  CHECK(v.folds[1].threshold == Approx(0.5).margin(1e-6));
  CHECK(v.folds[1].accuracy == 75);
  CHECK(v.accuracy_mean == 75);
  CHECK(v.accuracy_std == 0);
  CHECK(v.correct == std::vector<double>{1, 1, 1, 0, 1, 0, 1, 1});
}

TEST_CASE("verification: the standard deviation is that of the population, in percent", "[verification]") {
  std::vector<double> angles;
  for (const double cosine : {0.9, 0.1, 0.9, 0.1, 0.05, 0.95}) angles.push_back(std::acos(cosine));
  const Tensor features = features_of(angles);
  const Verification v = verify(list_of({"sd", "sd", "sd"}), features, features);
  // Folds 0 and 1 stay right, fold 2 is wrong twice: 100, 100, 0.
  CHECK(v.accuracy_mean == Approx(200.0 / 3));
  CHECK(v.accuracy_std == Approx(100 * std::sqrt(2.0) / 3));
}

TEST_CASE("verification: amsoftmax adds the two views, sphereface puts them one after the other", "[verification]") {
  const Pairs pairs = list_of({"sd", "sd"});
  const Tensor plain = Tensor::of<float>({8, 1}, {1, 1, 1, -1, 2, 2, 1, 1});
  const Tensor mirrored = Tensor::of<float>({8, 1}, {1, -3, 1, -1, 2, 2, 0, 1});
  const Verification sum = verify(pairs, plain, mirrored);
  CHECK(sum.scores == std::vector<double>{-1, -1, 1, 1});
  const Verification both = verify(pairs, plain, mirrored, {.protocol = Protocol::sphereface});
  // Fold 0: mu of (2,2) (2,2) (1,0) (1,1) is (1.5, 1.25): (1,1) and (1,-3) become (-.5,-.25) and (-.5,-4.25).
  CHECK(both.scores[0] == Approx((0.25 + 0.25 * 4.25) / std::sqrt((0.25 + 0.0625) * (0.25 + 4.25 * 4.25))));
}

TEST_CASE("verification: a score equal to the threshold counts wrong, of either kind", "[verification]") {
  const Scores scores = {0.5, 0.5, 0.75, 0.25};
  const Kinds same = {1, 0, 1, 0};
  CHECK(accuracy_at(0.5, scores, same) == 50);
  CHECK(accuracy_at(0.4, scores, same) == 75);
  CHECK(accuracy_at(std::numeric_limits<double>::quiet_NaN(), scores, same) == 0);
  // A midpoint may round onto its neighbour; it then misses it.
  const double next = std::nextafter(1.0, 2.0);
  CHECK(choose_threshold(Protocol::amsoftmax, Scores{1.0, next, 3.0, 3.5}, Kinds{0, 1, 0, 1}) == 3.25);
}

TEST_CASE("verification: scores that tell nothing apart give a defined answer", "[verification]") {
  const Scores equal = {0.5, 0.5, 0.5};
  const Kinds kinds = {1, 0, 1};
  CHECK(choose_threshold(Protocol::amsoftmax, equal, kinds) == 0.5);
  // Of k/10000 all below 0.5 have both `same` pairs right: the mean of -1.0000 .. 0.4999.
  CHECK(choose_threshold(Protocol::sphereface, equal, kinds) == -0.25005);
  CHECK(std::isnan(choose_threshold(Protocol::amsoftmax, Scores{}, Kinds{})));
  const Tensor collapsed = Tensor::zeros({8, 3}, DType::f32);
  for (const Protocol protocol : {Protocol::amsoftmax, Protocol::sphereface}) {
    const Verification v = verify(list_of({"sd", "sd"}), collapsed, collapsed, {.protocol = protocol});
    CHECK(v.scores == Scores(4, 0.0));
    CHECK(v.accuracy_mean == 0);  // every threshold but 0 is as good, their mean is 0, and ties are wrong
    CHECK(v.accept_rates[0].tar == 0);
  }
}

TEST_CASE("verification: P5, thresholds and accuracies equal a slow implementation on 100 random score sets", "[verification]") {
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
      REQUIRE(accept_rate_at(far, genuine, impostor).tar == slow::true_accepts(far, genuine, impostor));
    }
  }
}

TEST_CASE("verification: P5, whole runs from features equal a slow implementation", "[verification]") {
  // Features are small integers and means are over 2^n sides, so that every sum is exact whatever its order. Images are shared by pairs.
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
      REQUIRE(v.accept_rates[0].tar == slow::true_accepts(0.01, genuine, impostor));
      REQUIRE(v.accept_rates[1].tar == slow::true_accepts(0.1, genuine, impostor));
      REQUIRE(v.roc.front().far > 0);
      REQUIRE(v.roc.back().far == 1);
      REQUIRE(std::is_sorted(v.roc.begin(), v.roc.end(), [](const AcceptRate& a, const AcceptRate& b) { return a.far < b.far; }));
    }
  }
}

TEST_CASE("verification: the true accept rate follows BLUFR's rule", "[verification]") {
  Scores impostor, genuine = {0.5, 0.9, 0.95, 0.2};
  for (int i = 1; i <= 100; ++i) impostor.push_back(i / 100.0 - 0.1);  // -0.09 .. 0.90
  const AcceptRate one = accept_rate_at(0.01, genuine, impostor);
  CHECK(one.threshold == impostor.back());
  CHECK(one.tar == 50);  // 0.9 itself is accepted
  CHECK(accept_rate_at(0.41, genuine, impostor).tar == 75);
  const AcceptRate none = accept_rate_at(0.001, genuine, impostor);  // round(0.1) = 0 impostors
  CHECK(none.threshold > impostor.back());
  CHECK(none.tar == 25);
  CHECK(std::isnan(accept_rate_at(0.01, Scores{}, impostor).tar));
  CHECK(std::isnan(accept_rate_at(0.01, genuine, Scores{}).tar));
  CHECK_THROWS_AS(accept_rate_at(0, genuine, impostor), UsageError);
}

TEST_CASE("verification: failed images are counted, never dropped in silence", "[verification]") {
  std::vector<double> angles(8, 0.1);
  for (const std::size_t different : {2U, 3U, 6U, 7U}) angles[different] = 1.5;
  Tensor features = features_of(angles);
  features.data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  const Pairs pairs = list_of({"ssdd", "ssdd"});
  CHECK_THROWS_WITH(verify(pairs, features, features), Catch::Matchers::Contains("image_0 is not finite"));
  CHECK_THROWS_AS(verify(pairs, features, features), NonFiniteError);
  std::vector<std::uint8_t> failed(16, 0);
  failed[0] = 1;
  for (const Protocol protocol : {Protocol::amsoftmax, Protocol::sphereface}) {
    const Verification v = verify(pairs, features, features, {.protocol = protocol, .failed = failed});
    CHECK(v.failed_images == 1);
    CHECK(v.failed_pairs == 1);
    CHECK(std::isnan(v.scores[0]));
    CHECK(v.correct[0] == 0);
    CHECK(v.genuine_pairs == 3);
    CHECK(v.impostor_pairs == 15 * 14 / 2 - 3);
  }
  const Verification v = verify(pairs, features, features, {.failed = failed});
  CHECK(v.folds[0].accuracy == 75);
  CHECK(v.folds[1].accuracy == 100);
}

TEST_CASE("verification: what does not fit is refused", "[verification]") {
  const Pairs pairs = list_of({"sd", "sd"});
  const Tensor good = Tensor::zeros({8, 2}, DType::f32);
  CHECK_THROWS_AS(verify(pairs, Tensor::zeros({7, 2}, DType::f32), good), UsageError);
  CHECK_THROWS_AS(verify(pairs, good, Tensor::zeros({8, 3}, DType::f32)), UsageError);
  CHECK_THROWS_AS(verify(pairs, good.cast(DType::f64), good), UsageError);
  CHECK_THROWS_AS(verify(list_of({"sdsd"}), good, good), UsageError);
  Pairs outside = pairs;
  outside.pairs[0].b = 8;
  CHECK_THROWS_AS(verify(outside, good, good), UsageError);
  CHECK_THROWS_AS(protocol_of("lfw"), UsageError);
  for (const Protocol protocol : {Protocol::amsoftmax, Protocol::sphereface}) CHECK(protocol_of(name_of(protocol)) == protocol);
}

TEST_CASE("verification: the JSON has the fields that scripts rely on", "[verification]") {
  std::vector<double> angles = {0.1, 1.5, 1.4, 0.2};
  const Tensor features = features_of(angles);
  const Verification v = verify(list_of({"sd", "sd"}), features, features);
  const auto json = nlohmann::json::parse(verification_json(v));
  CHECK(json["protocol"] == "amsoftmax");
  CHECK(json["accuracy_mean"] == v.accuracy_mean);
  CHECK(json["accuracy_std"] == v.accuracy_std);
  CHECK(json["folds"] == nlohmann::json{v.folds[0].accuracy, v.folds[1].accuracy});
  CHECK(json["thresholds"].size() == 2);
  CHECK(json["tar_at_far"]["0.01"] == v.accept_rates[0].tar);
  CHECK(json["tar_at_far"]["0.001"] == v.accept_rates[1].tar);
  CHECK(json["pairs"] == 4);
  CHECK(json["images"] == 8);
  CHECK(json["failed_images"] == 0);
  Verification broken = v;
  broken.accuracy_mean = std::numeric_limits<double>::quiet_NaN();
  CHECK(nlohmann::json::parse(verification_json(broken))["accuracy_mean"].is_null());
}
