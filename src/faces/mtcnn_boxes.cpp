#include "mtcnn_boxes.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

namespace amnet::mtcnn {
namespace {

constexpr double window = 12;  // what P-Net sees
constexpr double stride = 2;   // from one of its outputs to the next

double area_of(const Candidate& box) { return (box.x2 - box.x1 + 1) * (box.y2 - box.y1 + 1); }

double shared_area(const Candidate& a, const Candidate& b) {
  const double width = std::min(a.x2, b.x2) - std::max(a.x1, b.x1) + 1, height = std::min(a.y2, b.y2) - std::max(a.y1, b.y1) + 1;
  return std::max(0.0, width) * std::max(0.0, height);
}

}  // namespace

std::vector<double> pyramid_scales(std::int64_t height, std::int64_t width, double min_face, double factor) {
  std::vector<double> scales;
  double scale = window / min_face;
  for (double side = static_cast<double>(std::min(height, width)) * scale; side >= window; side *= factor) {
    scales.push_back(scale);
    scale *= factor;
  }
  return scales;
}

void add_windows(std::span<const float> probabilities, std::span<const float> corrections, std::int64_t columns, std::int64_t rows,
                 double scale, double threshold, std::vector<Candidate>& windows) {
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      const auto at = static_cast<std::size_t>(column * rows + row);
      const double score = static_cast<double>(probabilities[2 * at + 1]);
      if (score < threshold) continue;
      const double x = stride * static_cast<double>(column), y = stride * static_cast<double>(row);
      Candidate found{.x1 = std::trunc((x + 1) / scale),
                      .y1 = std::trunc((y + 1) / scale),
                      .x2 = std::trunc((x + window) / scale),
                      .y2 = std::trunc((y + window) / scale),
                      .score = score};
      for (std::size_t i = 0; i < 4; ++i) found.correction[i] = static_cast<double>(corrections[4 * at + i]);
      windows.push_back(found);
    }
  }
}

std::vector<Candidate> suppressed(std::vector<Candidate> candidates, double limit, Overlap overlap) {
  std::ranges::reverse(candidates);
  std::ranges::stable_sort(candidates, std::ranges::greater(), &Candidate::score);
  std::vector<Candidate> kept;
  for (const Candidate& candidate : candidates) {
    const double area = area_of(candidate);
    const bool is_new = std::ranges::none_of(kept, [&](const Candidate& better) {
      const double shared = shared_area(better, candidate), other = area_of(better);
      return shared > limit * (overlap == Overlap::of_union ? area + other - shared : std::min(area, other));
    });
    if (is_new) kept.push_back(candidate);
  }
  return kept;
}

void correct(Candidate& candidate, Extent extent) {
  const double more = extent == Extent::inclusive ? 1 : 0;
  const double width = candidate.x2 - candidate.x1 + more, height = candidate.y2 - candidate.y1 + more;
  candidate.x1 += candidate.correction[0] * width;
  candidate.y1 += candidate.correction[1] * height;
  candidate.x2 += candidate.correction[2] * width;
  candidate.y2 += candidate.correction[3] * height;
}

void make_square(Candidate& candidate) {
  const double width = candidate.x2 - candidate.x1, height = candidate.y2 - candidate.y1, side = std::max(width, height);
  candidate.x1 += (width - side) / 2;
  candidate.y1 += (height - side) / 2;
  candidate.x2 = candidate.x1 + side;
  candidate.y2 = candidate.y1 + side;
}

void truncate(Candidate& candidate) {
  for (double* coordinate : {&candidate.x1, &candidate.y1, &candidate.x2, &candidate.y2}) *coordinate = std::trunc(*coordinate);
}

}  // namespace amnet::mtcnn
