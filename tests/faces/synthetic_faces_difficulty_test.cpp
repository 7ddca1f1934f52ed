// How difficult the synthesised faces are: raw pixels cannot distinguish the people, a model that
// learns the constant features of a person can.
#include <amnet/core/random.h>
#include <amnet/faces/synthetic_faces.h>

#include <algorithm>
#include <cmath>

#include "catch.h"

using namespace amnet;

namespace {

using Features = std::vector<double>;

Image face(std::uint64_t identity, std::uint64_t image, const FaceVariation& variation = {}) {
  return render_face(synthetic_identity(1, identity), {.seed = 1, .identity = identity, .image = image}, variation);
}

double cosine(const Features& a, const Features& b) {
  double product = 0, a_squared = 0, b_squared = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    product += a[i] * b[i];
    a_squared += a[i] * a[i];
    b_squared += b[i] * b[i];
  }
  return product / std::sqrt(a_squared * b_squared);
}

/// Every pixel, or means over squares of `side` pixels: (112/side, 96/side, 3).
Features cells(const Image& image, std::size_t side) {
  const auto columns = static_cast<std::size_t>(image.width) / side;
  Features means(static_cast<std::size_t>(image.height) / side * columns * 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const std::size_t pixel = i / 3;
    const std::size_t cell = pixel / 96 / side * columns + pixel % 96 / side;
    means[cell * 3 + i % 3] += image.pixels[i] / static_cast<double>(side * side);
  }
  return means;
}

/// The best accuracy (percent) that any threshold on the similarity of two images reaches, over
/// pairs of 40 people: half of the pairs are of one person.
template <class FeaturesOf, class Similarity>
double best_accuracy(FeaturesOf&& features_of, Similarity&& similarity, const FaceVariation& variation = {}) {
  constexpr std::uint64_t people = 40, images = 8, pairs = 800, first = 1000;
  std::vector<Features> features;
  for (std::uint64_t n = 0; n < people * images; ++n) features.push_back(features_of(face(first + n / images, n % images, variation)));
  const Random random(5);
  std::vector<std::pair<double, bool>> scores;
  for (std::uint64_t pair = 0; pair < pairs; ++pair) {
    const bool same = pair % 2 == 0;
    const std::uint64_t a = random.below(4 * pair, people);
    const std::uint64_t b = same ? a : (a + 1 + random.below(4 * pair + 1, people - 1)) % people;
    const std::uint64_t i = random.below(4 * pair + 2, images);
    const std::uint64_t j = (i + 1 + random.below(4 * pair + 3, images - 1)) % images;
    scores.emplace_back(similarity(features[a * images + i], features[b * images + j]), same);
  }
  std::sort(scores.begin(), scores.end());
  std::uint64_t right = pairs / 2;  // threshold below all: every pair is accepted
  std::uint64_t best = right;
  for (const auto& [score, same] : scores) {
    right = same ? right - 1 : right + 1;
    best = std::max(best, right);
  }
  return 100.0 * static_cast<double>(best) / pairs;
}

/// The lower Cholesky factor of a symmetric positive matrix (n,n), in place.
void cholesky(Features& matrix, std::size_t n) {
  for (std::size_t column = 0; column < n; ++column) {
    for (std::size_t row = column; row < n; ++row) {
      double value = matrix[row * n + column];
      for (std::size_t k = 0; k < column; ++k) value -= matrix[row * n + k] * matrix[column * n + k];
      matrix[row * n + column] = row == column ? std::sqrt(value) : value / matrix[column * n + column];
    }
  }
}

}  // namespace

TEST_CASE("synthetic_faces: raw pixels and mean colours hardly tell people apart", "[synthetic_faces]") {
  const auto centred = [](const Image& image) {
    Features pixels = cells(image, 1);
    for (double& pixel : pixels) pixel -= 127.5;
    return pixels;
  };
  const double raw = best_accuracy(centred, cosine);
  const double evenly_lit = best_accuracy(centred, cosine, {.light = 0, .background = 0});
  const double colours = best_accuracy([](const Image& image) { return cells(image, 16); },
                                       [](const Features& a, const Features& b) {
                                         double distance = 0;
                                         for (std::size_t i = 0; i < a.size(); ++i) distance += (a[i] - b[i]) * (a[i] - b[i]);
                                         return -distance;
                                       });
  INFO("raw pixels " << raw << " %, evenly lit " << evenly_lit << " %, colours of a coarse grid " << colours << " %");
  CHECK(raw < 75);
  CHECK(evenly_lit > 80);  // so light and background make people hard to distinguish
  CHECK(colours < 75);
}

TEST_CASE("synthetic_faces: what was learned from some people tells others apart", "[synthetic_faces]") {
  // Log brightness on a 14x12 grid, whitened by the differences between images of one person:
  // linear, learned on 60 people, tested on others.
  const auto log_cells = [](const Image& image) {
    Features features = cells(image, 8);
    for (double& value : features) value = std::log(value + 8);
    return features;
  };
  constexpr std::size_t people = 60, images = 12, n = 14 * 12 * 3;
  Features mean(n), within(n * n);
  for (std::size_t person = 0; person < people; ++person) {
    std::vector<Features> samples;
    Features centre(n);
    for (std::size_t image = 0; image < images; ++image) {
      samples.push_back(log_cells(face(person, image)));
      for (std::size_t i = 0; i < n; ++i) centre[i] += samples.back()[i] / images;
    }
    for (std::size_t i = 0; i < n; ++i) mean[i] += centre[i] / people;
    for (const Features& sample : samples) {
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j <= i; ++j) within[i * n + j] += (sample[i] - centre[i]) * (sample[j] - centre[j]) / (people * images);
      }
    }
  }
  for (std::size_t i = 0; i < n; ++i) within[i * n + i] += 2e-3;
  cholesky(within, n);
  const double learned = best_accuracy(
      [&](const Image& image) {
        Features features = log_cells(image);
        for (std::size_t i = 0; i < n; ++i) {
          double value = features[i] - mean[i];
          for (std::size_t j = 0; j < i; ++j) value -= within[i * n + j] * features[j];
          features[i] = value / within[i * n + i];
        }
        return features;
      },
      cosine);
  INFO("a linear projection reaches " << learned << " %");
  CHECK(learned > 85);
}
