#include "faces/mtcnn_boxes.h"

#include <map>
#include <string>
#include <vector>

#include "catch.h"
#include "faces/known_faces.h"
#include "shared_data.h"

using namespace amnet;
using namespace amnet::mtcnn;

namespace {

std::vector<double> scores_of(const std::vector<Candidate>& candidates) {
  std::vector<double> scores;
  for (const Candidate& candidate : candidates) scores.push_back(candidate.score);
  return scores;
}

}  // namespace

TEST_CASE("mtcnn boxes: the sizes of the pyramid", "[mtcnn]") {
  // 100 pixels at 12 / 20 are 60; then 30 and 15, and 7.5 is less than a window.
  CHECK(pyramid_scales(100, 300, 20, 0.5) == std::vector<double>{0.6, 0.3, 0.15});
  CHECK(pyramid_scales(300, 100, 20, 0.5).size() == 3);
  CHECK(pyramid_scales(20, 20, 20, 0.5) == std::vector<double>{0.6});
  CHECK(pyramid_scales(19, 400, 20, 0.5).empty());
  CHECK(pyramid_scales(48, 48, 12, 0.5) == std::vector<double>{1, 0.5, 0.25});
}

TEST_CASE("mtcnn boxes: the known numbers of levels", "[mtcnn][golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("mtcnn boxes: the known numbers of levels");
  int photographs = 0;
  for (const auto& row : rows_of(*shared / "data/faces/raw/raw_images.csv")) {
    INFO(row.at("file"));
    CHECK(pyramid_scales(std::stoll(row.at("height")), std::stoll(row.at("width")), 20, 0.709).size() ==
          std::stoul(row.at("pyramid_levels")));
    ++photographs;
  }
  CHECK(photographs == 120);
}

TEST_CASE("mtcnn boxes: windows that reach the threshold", "[mtcnn]") {
  // Two columns and three rows; the outputs have x first.
  const std::vector<float> probabilities = {0.9F, 0.1F, 0.4F, 0.6F, 0.5F, 0.5F, 0.2F, 0.8F, 1, 0, 0.3F, 0.7F};
  std::vector<float> corrections(24);
  for (std::size_t i = 0; i < corrections.size(); ++i) corrections[i] = static_cast<float>(i);
  std::vector<Candidate> windows;
  add_windows(probabilities, corrections, 2, 3, 0.5, 0.5, windows);
  REQUIRE(scores_of(windows) == std::vector<double>{0.8F, 0.6F, 0.5, 0.7F});
  // Row 0, column 1: x from (2 + 1) / 0.5 to (2 + 12) / 0.5.
  CHECK((windows[0].x1 == 6 && windows[0].x2 == 28 && windows[0].y1 == 2 && windows[0].y2 == 24));
  CHECK(windows[0].correction == std::array<double, 4>{12, 13, 14, 15});
  // Row 1, column 0.
  CHECK((windows[1].x1 == 2 && windows[1].x2 == 24 && windows[1].y1 == 6 && windows[1].y2 == 28));
  CHECK(windows[1].correction == std::array<double, 4>{4, 5, 6, 7});
  // Fractions go: (2 + 1) / 0.8 is 3.75.
  windows.clear();
  add_windows(probabilities, corrections, 2, 3, 0.8, 0.75, windows);
  REQUIRE(windows.size() == 1);
  CHECK((windows[0].x1 == 3 && windows[0].x2 == 17 && windows[0].y1 == 1 && windows[0].y2 == 15));
}

TEST_CASE("mtcnn boxes: suppression", "[mtcnn]") {
  // 10x10 pixels each; the second shares 5 columns with the first: 50 of 150.
  const Candidate first{.x1 = 1, .y1 = 1, .x2 = 10, .y2 = 10, .score = 0.9}, second{.x1 = 6, .y1 = 1, .x2 = 15, .y2 = 10, .score = 0.8};
  CHECK(suppressed({second, first}, 0.34, Overlap::of_union).size() == 2);
  CHECK(scores_of(suppressed({second, first}, 0.33, Overlap::of_union)) == std::vector<double>{0.9});
  // Half of the smaller: at the limit it stays, below it goes.
  CHECK(suppressed({second, first}, 0.5, Overlap::of_smaller).size() == 2);
  CHECK(suppressed({second, first}, 0.49, Overlap::of_smaller).size() == 1);
  // A small one inside a large one.
  const Candidate inside{.x1 = 3, .y1 = 3, .x2 = 4, .y2 = 4, .score = 0.7};
  CHECK(suppressed({first, inside}, 0.7, Overlap::of_union).size() == 2);
  CHECK(suppressed({first, inside}, 0.7, Overlap::of_smaller).size() == 1);
  // What was removed removes nothing: the third overlaps the second alone.
  const Candidate third{.x1 = 11, .y1 = 1, .x2 = 20, .y2 = 10, .score = 0.7};
  CHECK(scores_of(suppressed({third, second, first}, 0.3, Overlap::of_union)) == std::vector<double>{0.9, 0.7});
  // Of equal scores the last.
  Candidate twin = first;
  twin.index = 1;
  CHECK(suppressed({first, twin}, 0.5, Overlap::of_union).at(0).index == 1);
  CHECK(suppressed({}, 0.5, Overlap::of_union).empty());
  // Those that touch share nothing.
  const Candidate beside{.x1 = 11, .y1 = 1, .x2 = 20, .y2 = 10, .score = 0.5};
  CHECK(suppressed({first, beside}, 0, Overlap::of_union).size() == 2);
}

TEST_CASE("mtcnn boxes: corrections, squares and whole numbers", "[mtcnn]") {
  const Candidate box{.x1 = 11, .y1 = 21, .x2 = 20, .y2 = 40, .correction = {0.1, -0.1, 0.2, 0.5}};
  Candidate between = box, inclusive = box;
  correct(between, Extent::between_corners);  // 9 wide, 19 high
  CHECK(between.x1 == Approx(11.9));
  CHECK(between.y1 == Approx(19.1));
  CHECK(between.x2 == Approx(21.8));
  CHECK(between.y2 == Approx(49.5));
  correct(inclusive, Extent::inclusive);  // 10 wide, 20 high
  CHECK(inclusive.x1 == Approx(12));
  CHECK(inclusive.y1 == Approx(19));
  CHECK(inclusive.x2 == Approx(22));
  CHECK(inclusive.y2 == Approx(50));

  Candidate square = box;
  make_square(square);  // 9 by 19: 5 more on each side
  CHECK((square.x1 == 6 && square.x2 == 25 && square.y1 == 21 && square.y2 == 40));
  Candidate whole{.x1 = -3.9, .y1 = -0.2, .x2 = 7.9, .y2 = 8};
  truncate(whole);
  CHECK((whole.x1 == -3 && whole.y1 == 0 && whole.x2 == 7 && whole.y2 == 8));
}
