#include <amnet/faces/verification.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "catch.h"

using namespace amnet;

namespace {

/// A list in which every pair has two images of its own: image 2i and 2i+1 for pair i. `kinds` is
/// one string for each fold, 's' or 'd'.
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

}  // namespace

TEST_CASE("verification: two folds, by hand", "[verification]") {
  // Cosines: fold 0 same 0.8 0.5, different 0.1 0.6; fold 1 same 0.9 0.2, different 0.0 0.4.
  const std::vector<double> cosines = {0.8, 0.5, 0.1, 0.6, 0.9, 0.2, 0.0, 0.4};
  std::vector<double> angles;
  for (const double cosine : cosines) angles.push_back(std::acos(cosine));
  const Tensor features = features_of(angles);
  const Verification v = verify(list_of({"ssdd", "ssdd"}), features, features);
  for (std::size_t i = 0; i < cosines.size(); ++i) CHECK(v.scores[i] == Approx(cosines[i]).margin(1e-6));
  // Fold 0 from fold 1: midpoints 0.1 (3 right), 0.3 (2), 0.65 (3), so the mean of 0.1 and 0.65;
  // then 0.8 0.5 0.1 0.6 has 0.8, 0.5, 0.1 right.
  CHECK(v.folds[0].threshold == Approx(0.375).margin(1e-6));
  CHECK(v.folds[0].accuracy == 75);
  // Fold 1 from fold 0: midpoints 0.3 (3), 0.55 (2), 0.7 (3): 0.5; of 0.9 0.2 0.0 0.4, 0.9, 0.0 and
  // 0.4 are right.
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
  // Fold 0: mu of (2,2) (2,2) (1,0) (1,1) is (1.5, 1.25): (1,1) and (1,-3) become (-.5,-.25) and
  // (-.5,-4.25).
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
  // All k/10000 below 0.5 have both `same` pairs right: the mean of -1.0000 .. 0.4999.
  CHECK(choose_threshold(Protocol::sphereface, equal, kinds) == -0.25005);
  CHECK(std::isnan(choose_threshold(Protocol::amsoftmax, Scores{}, Kinds{})));
  const Tensor collapsed = Tensor::zeros({8, 3}, DType::f32);
  for (const Protocol protocol : {Protocol::amsoftmax, Protocol::sphereface}) {
    const Verification v = verify(list_of({"sd", "sd"}), collapsed, collapsed, {.protocol = protocol});
    CHECK(v.scores == Scores(4, 0.0));
    // every threshold but 0 is as good, their mean is 0, and ties are wrong
    CHECK(v.accuracy_mean == 0);
    CHECK(v.correct == Scores(4, 0.0));
    CHECK(v.tells_nothing_apart);
    for (const AcceptRate& rate : v.accept_rates) CHECK((std::isnan(rate.tar) && rate.note == "all scores are equal"));
    const std::vector<std::string> remarks = remarks_on(v);
    CHECK(remarks == std::vector<std::string>{"All scores are equal: the model tells nothing apart"});
    CHECK(rate_text(v.accept_rates[0]) == "– (all scores are equal)");
  }
  // One point except for the rounding of f32, which remains when the mean of sphereface is
  // subtracted.
  Tensor nearly({8, 3}, DType::f32);
  for (std::size_t i = 0; i < 24; ++i) nearly.data<float>()[i] = static_cast<float>(3 + static_cast<double>(i * 7 % 5) * 2.4e-7);
  for (const Protocol protocol : {Protocol::amsoftmax, Protocol::sphereface}) {
    const Verification v = verify(list_of({"sd", "sd"}), nearly, nearly, {.protocol = protocol});
    CHECK((v.tells_nothing_apart && std::isnan(v.accept_rates[0].tar) && std::isnan(v.accept_rates[1].tar)));
  }
  // One direction in different lengths, which a cosine ignores.
  const Tensor lengths = Tensor::of<float>({8, 1}, {1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(verify(list_of({"sd", "sd"}), lengths, lengths).tells_nothing_apart);
  const Tensor two = Tensor::of<float>({8, 1}, {1, 1, 1, -1, 1, 1, 1, -1});
  CHECK(!verify(list_of({"sd", "sd"}), two, two).tells_nothing_apart);
}

TEST_CASE("verification: a rate that equal scores make impossible has no true accept rate", "[verification]") {
  Scores impostor(200, 0.25), genuine = {0.1, 0.3, 0.9, 1.0};
  for (std::size_t i = 0; i < 60; ++i) impostor[i] = 1.0;
  const AcceptRate rate = accept_rate_at(0.01, genuine, impostor);
  CHECK((std::isnan(rate.tar) && rate.threshold == 1.0));
  CHECK(rate.note == "60 impostor pairs reach its threshold, their scores being equal, but 2 may");
  CHECK(accept_rate_at(0.3, genuine, impostor).tar == 25);  // 60 of 200: exactly as requested
  CHECK(std::isnan(accept_rate_at(0.305, genuine, impostor).tar));
  CHECK(accept_rate_at(1, genuine, impostor).tar == 75);
  impostor[0] = 1.5;
  impostor[1] = 1.25;
  CHECK(accept_rate_at(0.01, genuine, impostor).tar == 0);  // two scores are outliers
  CHECK(accept_rate_at(0.01, genuine, impostor).note.empty());
  CHECK(accept_rate_at(0.001, genuine, impostor).note == "none of 200 impostor pairs accepted, too few for the rate");
  CHECK(accept_rate_at(0.01, Scores{}, impostor).note == "there is no pair of one person");
  CHECK(accept_rate_at(0.01, genuine, Scores{}).note == "there is no pair of two people");
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

TEST_CASE("verification: pairs of failed images are left out and counted", "[verification]") {
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
    CHECK(std::isnan(v.correct[0]));
    CHECK(v.used_pairs() == 7);
    CHECK(pairs_text(v) == "7 of 8 pairs");
    CHECK(v.genuine_pairs == 3);
    CHECK(v.impostor_pairs == 15 * 14 / 2 - 3);
  }
  const Verification v = verify(pairs, features, features, {.failed = failed});
  CHECK(v.folds[0].accuracy == 100);  // of three pairs
  CHECK(v.folds[1].accuracy == 100);
  CHECK(v.accuracy_mean == 100);
}

TEST_CASE("verification: a fold without a pair has no accuracy, nor has the only one with pairs", "[verification]") {
  std::vector<double> angles;
  for (const double cosine : {0.9, 0.1, 0.9, 0.1, 0.05, 0.95}) angles.push_back(std::acos(cosine));
  const Tensor features = features_of(angles);
  const Pairs pairs = list_of({"sd", "sd", "sd"});
  std::vector<std::uint8_t> failed(12, 0);
  failed[8] = failed[11] = 1;  // fold 2
  const Verification two = verify(pairs, features, features, {.failed = failed});
  CHECK((two.folds[0].accuracy == 100 && two.folds[1].accuracy == 100 && std::isnan(two.folds[2].accuracy)));
  CHECK((two.accuracy_mean == 100 && two.accuracy_std == 0));
  CHECK(two.correct[4] != two.correct[4]);
  CHECK(nlohmann::json::parse(verification_json(two))["folds"][2].is_null());
  failed[0] = failed[2] = 1;  // fold 0
  const Verification one = verify(pairs, features, features, {.failed = failed});
  CHECK((std::isnan(one.accuracy_mean) && std::isnan(one.accuracy_std) && std::isnan(one.folds[1].accuracy)));
  CHECK(one.scores[2] == Approx(0.9));
  CHECK(std::isnan(one.correct[2]));
  CHECK_THAT(remarks_on(one).front(), Catch::Matchers::Contains("only one fold"));
  failed.assign(12, 1);
  CHECK_THROWS_AS(verify(pairs, features, features, {.failed = failed}), DataError);
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
  CHECK_FALSE(find_named<Protocol>("lfw"));
  for (const Protocol protocol : {Protocol::amsoftmax, Protocol::sphereface}) CHECK(find_named<Protocol>(name_of(protocol)) == protocol);
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
  CHECK(json["tells_nothing_apart"] == false);
  CHECK(percent_text(98.256) == "98.26 %");
  CHECK(percent_text(std::numeric_limits<double>::quiet_NaN()) == "–");
  CHECK(pairs_text(v) == "4 pairs");
  Verification broken = v;
  broken.accuracy_mean = std::numeric_limits<double>::quiet_NaN();
  CHECK(nlohmann::json::parse(verification_json(broken))["accuracy_mean"].is_null());
}
