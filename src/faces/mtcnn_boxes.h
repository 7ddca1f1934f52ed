// What MTCNN does between its nets, on boxes as its reference code (MATLAB) has them: corners
// inclusive, coordinates that count from 1. Zhang, Zhang, Li and Qiao, "Joint face detection and
// alignment using multitask cascaded convolutional networks" (SPL 2016), and that code.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace amnet::mtcnn {

struct Candidate {
  double x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  double score = 0;
  std::array<double, 4> correction{};  // of x1, y1, x2, y2, in widths and heights
  std::size_t index = 0;               // for the caller, who may know more of it
};

/// How much smaller the photograph is in each level of the pyramid: the smallest face that is
/// looked for becomes 12 pixels, and the last level has at least 12 on its shorter side.
std::vector<double> pyramid_scales(std::int64_t height, std::int64_t width, double min_face, double factor);

/// The 12x12 windows of a level whose probability reaches the threshold, in the photograph.
/// P-Net's outputs are (x, y, 2) with the probability of a face second, and (x, y, 4).
void add_windows(std::span<const float> probabilities, std::span<const float> corrections, std::int64_t columns, std::int64_t rows,
                 double scale, double threshold, std::vector<Candidate>& windows);

/// What the overlap of two boxes is divided by.
enum class Overlap : unsigned char { of_union, of_smaller };

/// Keeps the best, removes those whose overlap with it is above the limit, and so on; the result is
/// in the order of falling scores. Of equal scores the last comes first, as there.
std::vector<Candidate> suppressed(std::vector<Candidate> candidates, double limit, Overlap overlap);

/// The corrections, in units of x2 - x1 and y2 - y1 (P-Net) or of one more (R- and O-Net).
enum class Extent : unsigned char { between_corners, inclusive };
void correct(Candidate& candidate, Extent extent);
/// The square with the same middle and the longer side.
void make_square(Candidate& candidate);
/// Coordinates without their fractions, towards zero.
void truncate(Candidate& candidate);

}  // namespace amnet::mtcnn
