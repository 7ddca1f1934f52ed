#include "accept_rate.h"
#include "io/json.h"

#include <amnet/core/text.h>
#include <amnet/faces/verification.h>

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

namespace amnet {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr std::int64_t impostors_kept = std::int64_t{1} << 22;
constexpr int roc_points = 300;

/// One feature for each image, in double. (images, D)
struct Matrix {
  std::size_t rows = 0, columns = 0;
  std::vector<double> values;

  Matrix(std::size_t row_count, std::size_t column_count) : rows(row_count), columns(column_count), values(row_count * column_count) {}
  std::span<double> row(std::size_t i) { return {values.data() + i * columns, columns}; }
  std::span<const double> row(std::size_t i) const { return {values.data() + i * columns, columns}; }
};

/// From a product and two squared lengths; one root of their product, so that two equal features
/// score exactly 1.
double cosine_of(double ab, double aa, double bb) {
  const double norms = std::sqrt(aa * bb);
  return norms > 0 ? std::clamp(ab / norms, -1.0, 1.0) : 0.0;
}

/// From the smallest to the largest of some scores.
struct Range {
  double low = infinity, high = -infinity;

  void add(double score) {
    low = std::min(low, score);
    high = std::max(high, score);
  }
  /// Whether there is only one score, apart from the rounding of features in f32 and of their
  /// products.
  bool is_point() const { return high - low <= 1e-10; }
};

void check(const Pairs& pairs, const Tensor& features, const Tensor& mirrored, const VerificationOptions& options) {
  const auto images = static_cast<std::int64_t>(pairs.images.size());
  for (const Tensor* view : {&features, &mirrored}) {
    require(view->rank() == 2 && view->extent(0) == images && view->dtype() == DType::f32,
            "[verification] expected features f32 ({},D), one row for each image of the list, but got {} {}.", images,
            name_of(view->dtype()), view->shape());
  }
  require(features.shape() == mirrored.shape(), "[verification] expected the features of the mirror images as {} but got {}.",
          features.shape(), mirrored.shape());
  require(options.failed.empty() || options.failed.size() == pairs.images.size(),
          "[verification] expected one failure flag for each of {} images but got {}.", images, options.failed.size());
  require(pairs.folds >= 2, "[verification] expected at least 2 folds, for the threshold of a fold is chosen on the others, but got {}.",
          pairs.folds);
  require(pairs.people.size() == pairs.images.size(), "[verification] expected a person for each of {} images but got {}.", images,
          pairs.people.size());
  for (const Pair& pair : pairs.pairs) {
    require(0 <= std::min(pair.a, pair.b) && std::max(pair.a, pair.b) < images && 0 <= pair.fold && pair.fold < pairs.folds,
            "[verification] expected pairs of {} images in {} folds but got images {} and {} in fold {}.", images, pairs.folds, pair.a,
            pair.b, pair.fold);
  }
}

class Verifier {
 public:
  Verifier(const Pairs& pairs, const Tensor& features, const Tensor& mirrored, const VerificationOptions& options)
      : pairs_(pairs), options_(options), features_(combined(features, mirrored)) {}

  Verification run() {
    result_.protocol = options_.protocol;
    result_.images = static_cast<std::int64_t>(pairs_.images.size());
    for (std::size_t i = 0; i < pairs_.images.size(); ++i) result_.failed_images += failed(i);
    result_.scores.assign(pairs_.pairs.size(), nan);
    result_.correct.assign(pairs_.pairs.size(), nan);
    for (const Pair& pair : pairs_.pairs) result_.failed_pairs += failed(pair);
    require<DataError>(result_.used_pairs() > 0, "[verification] not one of the {} pairs can be used: {} of the {} images cannot be read.",
                       pairs_.pairs.size(), result_.failed_images, result_.images);
    for (int fold = 0; fold < pairs_.folds; ++fold) run_fold(fold);
    summarise();
    const bool equal_features = features_are_equal();
    result_.tells_nothing_apart = equal_features || scores_are_equal();
    rank_all_pairs(equal_features);
    return std::move(result_);
  }

 private:
  static constexpr int no_fold = -1;

  bool failed(std::size_t image) const { return !options_.failed.empty() && options_.failed[image] != 0; }
  bool failed(const Pair& pair) const { return failed(static_cast<std::size_t>(pair.a)) || failed(static_cast<std::size_t>(pair.b)); }

  /// (images, D) the sum of the two views, or (images, 2D) one after the other; zero for a failed
  /// image.
  Matrix combined(const Tensor& features, const Tensor& mirrored) const {
    const std::size_t images = pairs_.images.size();
    const auto width = static_cast<std::size_t>(features.extent(1));
    const bool sum = options_.protocol == Protocol::amsoftmax;
    const std::span<const float> plain = features.data<float>(), flipped = mirrored.data<float>();
    Matrix matrix(images, sum ? width : 2 * width);
    for (std::size_t i = 0; i < images; ++i) {
      if (failed(i)) continue;
      for (std::size_t d = 0; d < width; ++d) {
        const double x = plain[i * width + d], y = flipped[i * width + d];
        require<NonFiniteError>(std::isfinite(x) && std::isfinite(y),
                                "[verification] the feature of image {} is not finite at {}; the model has diverged.", pairs_.images[i], d);
        matrix.row(i)[d] = sum ? x + y : x;
        if (!sum) matrix.row(i)[width + d] = y;
      }
    }
    return matrix;
  }

  /// The mean over both sides of the pairs outside `left_out`; zero where the protocol subtracts
  /// nothing. (D)
  std::vector<double> mean_without(int left_out) const {
    std::vector<double> mean(features_.columns, 0.0);
    if (options_.protocol == Protocol::amsoftmax) return mean;
    double count = 0;
    for (const Pair& pair : pairs_.pairs) {
      if (pair.fold == left_out || failed(pair)) continue;
      const auto a = features_.row(static_cast<std::size_t>(pair.a)), b = features_.row(static_cast<std::size_t>(pair.b));
      for (std::size_t d = 0; d < mean.size(); ++d) mean[d] += a[d] + b[d];
      count += 2;
    }
    for (double& value : mean) value = count > 0 ? value / count : 0;
    return mean;
  }

  double cosine(const Pair& pair, const std::vector<double>& mean) const {
    const auto a = features_.row(static_cast<std::size_t>(pair.a)), b = features_.row(static_cast<std::size_t>(pair.b));
    double ab = 0, aa = 0, bb = 0;
    for (std::size_t d = 0; d < mean.size(); ++d) {
      const double x = a[d] - mean[d], y = b[d] - mean[d];
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
    return cosine_of(ab, aa, bb);
  }

  void run_fold(int fold) {
    const std::vector<double> mean = mean_without(fold);
    std::vector<double> scores[2];  // the other folds, this fold
    std::vector<std::uint8_t> same[2];
    std::vector<std::size_t> indices;
    for (std::size_t i = 0; i < pairs_.pairs.size(); ++i) {
      const Pair& pair = pairs_.pairs[i];
      if (failed(pair)) continue;
      const int here = pair.fold == fold;
      scores[here].push_back(cosine(pair, mean));
      same[here].push_back(pair.same);
      if (here != 0) indices.push_back(i);
    }
    const double threshold = choose_threshold(options_.protocol, scores[0], same[0]);
    const bool judged = !scores[0].empty() && !scores[1].empty();
    result_.folds.push_back({judged ? accuracy_at(threshold, scores[1], same[1]) : nan, threshold});
    for (std::size_t k = 0; k < indices.size(); ++k) {
      const double score = scores[1][k];
      result_.scores[indices[k]] = score;
      if (judged) result_.correct[indices[k]] = same[1][k] != 0 ? score > threshold : score < threshold;
    }
  }

  void summarise() {
    std::vector<double> accuracies;
    for (const Fold& fold : result_.folds) {
      if (!std::isnan(fold.accuracy)) accuracies.push_back(fold.accuracy);
    }
    const auto folds = static_cast<double>(accuracies.size());
    if (accuracies.empty()) result_.accuracy_mean = nan;
    for (const double accuracy : accuracies) result_.accuracy_mean += accuracy / folds;
    double square = 0;
    for (const double accuracy : accuracies) square += (accuracy - result_.accuracy_mean) * (accuracy - result_.accuracy_mean);
    result_.accuracy_std = std::sqrt(square / folds);  // NaN without folds
  }

  /// Up to the rounding of the network: they do not depend on the image.
  bool features_are_equal() const {
    std::vector<double> low(features_.columns, infinity), high(features_.columns, -infinity);
    for (std::size_t i = 0; i < features_.rows; ++i) {
      if (failed(i)) continue;
      const auto row = features_.row(i);
      for (std::size_t d = 0; d < row.size(); ++d) {
        low[d] = std::min(low[d], row[d]);
        high[d] = std::max(high[d], row[d]);
      }
    }
    double largest = 0, spread = 0;
    for (std::size_t d = 0; d < features_.columns; ++d) {
      largest = std::max({largest, std::abs(low[d]), std::abs(high[d])});
      spread = std::max(spread, high[d] - low[d]);
    }
    return spread <= 1e-6 * largest;
  }

  bool scores_are_equal() const {
    Range range;
    for (const double score : result_.scores) {
      if (!std::isnan(score)) range.add(score);
    }
    return range.is_point();
  }

  /// The features less their mean, those of failed images left out; `people` gets each row's
  /// person.
  Matrix centred(std::vector<std::int32_t>& people) const {
    const std::vector<double> mean = mean_without(no_fold);
    Matrix rows(static_cast<std::size_t>(result_.images - result_.failed_images), features_.columns);
    for (std::size_t i = 0; i < features_.rows; ++i) {
      if (failed(i)) continue;
      const auto from = features_.row(i);
      const auto to = rows.row(people.size());
      people.push_back(pairs_.people[i]);
      for (std::size_t d = 0; d < to.size(); ++d) to[d] = from[d] - mean[d];
    }
    return rows;
  }

  void rank_all_pairs(bool equal_features) {
    std::vector<std::int32_t> people;
    const Matrix rows = centred(people);
    std::vector<std::int64_t> images_of(pairs_.names.size() + 1, 0);
    for (const std::int32_t person : people) {
      const auto index = static_cast<std::size_t>(person);
      if (index >= images_of.size()) images_of.resize(index + 1, 0);
      result_.genuine_pairs += images_of[index]++;
    }
    const auto images = static_cast<std::int64_t>(people.size());
    result_.impostor_pairs = images * (images - 1) / 2 - result_.genuine_pairs;

    std::int64_t kept = std::min(result_.impostor_pairs, impostors_kept);
    for (const double far : options_.far)
      kept = std::max(kept, std::min(result_.impostor_pairs, false_accepts_at(far, result_.impostor_pairs) + 1));
    LargestScores impostor(kept);
    RankedScores ranked;
    ranked.impostors = result_.impostor_pairs;
    Range range;
    every_cosine(rows, [&](std::size_t i, std::size_t j, double score) {
      range.add(score);
      if (people[i] == people[j]) {
        ranked.genuine.push_back(score);
      } else {
        impostor.add(score);
      }
    });
    std::sort(ranked.genuine.begin(), ranked.genuine.end());
    ranked.impostor = impostor.take();
    const bool all_equal = equal_features || range.is_point();
    for (const double far : options_.far) {
      AcceptRate rate = ranked.at(far);
      // Apart from rounding there is one score: a threshold on either side of it accepts all pairs
      // or none.
      if (all_equal && !ranked.genuine.empty() && ranked.impostors > 0) rate = {far, nan, rate.threshold, "all scores are equal"};
      result_.accept_rates.push_back(std::move(rate));
    }
    result_.roc = ranked.curve(roc_points);
  }

  /// Calls `each(i, j, cosine)` for all rows i > j. Blocks of columns stay in the cache while the
  /// rows are processed (8 s became 3 s for LFW at 1,024 dimensions), tiles of 4 x 8 in registers;
  /// every product is summed in the same order, so that equal features give equal scores.
  template <class Each>
  static void every_cosine(const Matrix& features, const Each& each) {
    constexpr std::size_t height = 4, width = 8, block = 8 * width;
    // the compiler splits a plain loop, which is three times slower
    using Lanes = Eigen::Array<double, width, 1>;
    const std::size_t rows = features.rows, depth = features.columns;
    std::vector<double> squares(rows);
    for (std::size_t i = 0; i < rows; ++i) {
      for (const double value : features.row(i)) squares[i] += value * value;
    }
    std::vector<double> packed(depth * block);  // (block / width, D, width)
    const std::vector<double> none(depth, 0.0);
    for (std::size_t first = 0; first < rows; first += block) {
      for (std::size_t c = 0; c < block; ++c) {
        const double* from = first + c < rows ? features.row(first + c).data() : none.data();
        for (std::size_t d = 0; d < depth; ++d) packed[(c / width * depth + d) * width + c % width] = from[d];
      }
      for (std::size_t top = first; top < rows; top += height) {
        std::array<const double*, height> row{};
        for (std::size_t r = 0; r < height; ++r) row[r] = top + r < rows ? features.row(top + r).data() : none.data();
        const std::size_t end = std::min(first + block, top + height);
        for (std::size_t left = first; left < end; left += width) {
          const double* columns = packed.data() + (left - first) * depth;
          std::array<Lanes, height> tile;
          tile.fill(Lanes::Zero());
          for (std::size_t d = 0; d < depth; ++d) {
            const Lanes column = Eigen::Map<const Lanes>(columns + d * width);
            for (std::size_t r = 0; r < height; ++r) tile[r] += row[r][d] * column;
          }
          for (std::size_t r = 0; r < height && top + r < rows; ++r) {
            for (std::size_t c = 0; c < width && left + c < top + r; ++c) {
              each(top + r, left + c, cosine_of(tile[r][static_cast<Eigen::Index>(c)], squares[top + r], squares[left + c]));
            }
          }
        }
      }
    }
  }

  const Pairs& pairs_;
  const VerificationOptions& options_;
  Matrix features_;
  Verification result_;
};

}  // namespace

Verification verify(const Pairs& pairs, const Tensor& features, const Tensor& mirrored, const VerificationOptions& options) {
  check(pairs, features, mirrored, options);
  return Verifier(pairs, features, mirrored, options).run();
}

std::string verification_json(const Verification& result) {
  Json json;
  json["protocol"] = name_of(result.protocol);
  json["accuracy_mean"] = result.accuracy_mean;
  json["accuracy_std"] = result.accuracy_std;
  json["folds"] = Json::array();
  json["thresholds"] = Json::array();
  for (const Fold& fold : result.folds) {
    json["folds"].push_back(fold.accuracy);
    json["thresholds"].push_back(fold.threshold);
  }
  json["tar_at_far"] = Json::object();
  for (const AcceptRate& rate : result.accept_rates) json["tar_at_far"][fmt::format("{:g}", rate.far)] = rate.tar;
  json["pairs"] = result.scores.size();
  json["images"] = result.images;
  json["failed_pairs"] = result.failed_pairs;
  json["failed_images"] = result.failed_images;
  json["genuine_pairs"] = result.genuine_pairs;
  json["impostor_pairs"] = result.impostor_pairs;
  json["tells_nothing_apart"] = result.tells_nothing_apart;
  return json_text(json);
}

std::string percent_text(double percent) { return std::isnan(percent) ? "–" : fmt::format("{:.2f} %", percent); }

std::string accuracy_text(const Verification& result) {
  return std::isnan(result.accuracy_mean) ? "–" : fmt::format("{:.2f} +- {:.2f} %", result.accuracy_mean, result.accuracy_std);
}

std::string rate_text(const AcceptRate& rate) {
  return percent_text(rate.tar) + (rate.note.empty() ? "" : fmt::format(" ({})", rate.note));
}

std::string pairs_text(const Verification& result) {
  if (result.failed_pairs == 0) return fmt::format("{} pairs", result.scores.size());
  return fmt::format("{} of {} pairs", result.used_pairs(), result.scores.size());
}

std::vector<std::string> remarks_on(const Verification& result) {
  std::vector<std::string> remarks;
  if (result.tells_nothing_apart) remarks.emplace_back("All scores are equal: the model tells nothing apart");
  if (std::isnan(result.accuracy_mean)) {
    remarks.emplace_back("No accuracy: only one fold has pairs that can be used, and its threshold is chosen on the others");
  }
  return remarks;
}

}  // namespace amnet
