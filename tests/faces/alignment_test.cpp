#include <amnet/core/error.h>
#include <amnet/core/random.h>
#include <amnet/faces/alignment.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "catch.h"
#include "faces/known_faces.h"
#include "shared_data.h"

using namespace amnet;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

/// Points around a face in a photograph, somewhat wrong.
Landmarks some_landmarks(std::uint64_t seed) {
  const Random random(seed);
  const double angle = 0.3 * random.normal(0), scale = 1.5 + std::abs(random.normal(1));
  Landmarks points = landmarks_of(FaceTemplate::sphereface);
  std::uint64_t next = 2;
  for (Point& point : points) {
    const Point turned{scale * (std::cos(angle) * point.x - std::sin(angle) * point.y),
                       scale * (std::sin(angle) * point.x + std::cos(angle) * point.y)};
    point = {turned.x + 40 + 3 * random.normal(next), turned.y - 20 + 3 * random.normal(next + 1)};
    next += 2;
  }
  return points;
}

/// Random bytes.
Image noise(std::int64_t height, std::int64_t width) {
  Image image{.height = height, .width = width, .pixels = std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * 3))};
  const Random random(7);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(random.below(i, 256));
  return image;
}

const std::uint8_t* pixel_of(const Image& image, std::int64_t y, std::int64_t x) { return image.pixels.data() + (y * image.width + x) * 3; }

}  // namespace

TEST_CASE("alignment: a similarity is found again", "[alignment]") {
  const Similarity known{.along = 0.4, .across = -0.3, .right = 17, .down = 80};
  CHECK(known.scale() == Approx(0.5));
  CHECK(known.angle() == Approx(std::atan2(-0.3, 0.4)));
  const Landmarks from = some_landmarks(1);
  Landmarks to;
  std::ranges::transform(from, to.begin(), known);
  const Similarity found = fit_similarity(from, to);
  CHECK(found.along == Approx(known.along).epsilon(1e-12));
  CHECK(found.across == Approx(known.across).epsilon(1e-12));
  CHECK(found.right == Approx(known.right).epsilon(1e-12));
  CHECK(found.down == Approx(known.down).epsilon(1e-12));
  CHECK(misfit(found, from, to) < 1e-12);
  const Point there = known.inverse()(known({3, 4}));
  CHECK(there.x == Approx(3));
  CHECK(there.y == Approx(4));
}

TEST_CASE("alignment: no other similarity fits better, in the template or in the photograph", "[alignment]") {
  const Landmarks to = landmarks_of(FaceTemplate::sphereface);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Landmarks from = some_landmarks(seed);
    const Similarity umeyama = fit_similarity(from, to), cp2tform = fit_similarity(from, to, AlignmentMethod::cp2tform);
    // The maps of coordinates that count from 1, as MATLAB has them.
    const Similarity counted{.along = cp2tform.along,
                             .across = cp2tform.across,
                             .right = cp2tform.right + 1 - cp2tform.along + cp2tform.across,
                             .down = cp2tform.down + 1 - cp2tform.across - cp2tform.along};
    const double in_template = misfit(umeyama, from, to), in_photograph = misfit(counted.inverse(), to, from);
    for (int which = 0; which < 8; ++which) {
      const auto moved = [which](Similarity map) {
        const double by = which % 2 == 0 ? 1e-4 : -1e-4;
        (which / 2 == 0 ? map.along : which / 2 == 1 ? map.across : which / 2 == 2 ? map.right : map.down) += by;
        return map;
      };
      CHECK(misfit(moved(umeyama), from, to) > in_template);
      CHECK(misfit(moved(counted).inverse(), to, from) > in_photograph);
    }
    // Umeyama's scale is the other's times the squared correlation, and both turn alike.
    CHECK(umeyama.scale() < cp2tform.scale());
    CHECK(umeyama.angle() == Approx(cp2tform.angle()));
  }
}

TEST_CASE("alignment: landmarks that fit nothing are refused", "[alignment]") {
  const Landmarks to = landmarks_of(FaceTemplate::sphereface);
  Landmarks from;
  from.fill({5, 6});
  CHECK_THROWS_WITH(fit_similarity(from, to), "[alignment] from: expected five landmarks but got (5, 6) five times.");
  from = some_landmarks(1);
  from[2].y = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(fit_similarity(from, to), DataError);
  CHECK_THROWS_WITH(fit_similarity(from, to), Contains("expected finite coordinates"));
}

TEST_CASE("alignment: the two templates are one, 8 columns apart", "[alignment]") {
  const Image photograph = noise(200, 180);
  const Landmarks landmarks = some_landmarks(3);
  for (const AlignmentMethod method : {AlignmentMethod::umeyama, AlignmentMethod::cp2tform}) {
    const Image narrow = align_face(photograph, landmarks, {.method = method});
    const Image wide = align_face(photograph, landmarks, {.form = FaceTemplate::arcface, .method = method});
    REQUIRE((narrow.height == 112 && narrow.width == 96 && wide.height == 112 && wide.width == 112));
    int differences = 0;
    for (std::int64_t y = 0; y < 112; ++y) {
      for (std::int64_t x = 0; x < 96; ++x) {
        for (int c = 0; c < 3; ++c) differences += std::abs(pixel_of(narrow, y, x)[c] - pixel_of(wide, y, x + 8)[c]) > 1 ? 1 : 0;
      }
    }
    CHECK(differences == 0);
  }
}

TEST_CASE("warp: whole pixels move, and beyond the edges it is black", "[alignment]") {
  const Image image = noise(9, 7);
  CHECK(warp(image, {}, 9, 7).pixels == image.pixels);
  const Image moved = warp(image, {.right = 2, .down = -3}, 9, 7);
  for (std::int64_t y = 0; y < 9; ++y) {
    for (std::int64_t x = 0; x < 7; ++x) {
      const bool inside = x >= 2 && y + 3 < 9;
      for (int c = 0; c < 3; ++c) CHECK(pixel_of(moved, y, x)[c] == (inside ? pixel_of(image, y + 3, x - 2)[c] : 0));
    }
  }
  const Image half = warp(image, {.right = 0.5}, 9, 7);
  CHECK(pixel_of(half, 4, 3)[1] == (pixel_of(image, 4, 2)[1] + pixel_of(image, 4, 3)[1] + 1) / 2);
  CHECK(pixel_of(half, 4, 0)[1] == (pixel_of(image, 4, 0)[1] + 1) / 2);  // half of it is black
  CHECK(warp(image, {.right = 1e300}, 2, 2).pixels == std::vector<std::uint8_t>(12, 0));
  CHECK_THROWS_AS(warp(image, {}, 0, 2), UsageError);
}

TEST_CASE("warp: what becomes much smaller is averaged, wherever the part begins", "[alignment]") {
  // A board of black and white pixels is grey from afar; four neighbours of single pixels see one
  // colour.
  Image board{.height = 301, .width = 403, .pixels = std::vector<std::uint8_t>(std::size_t{301} * 403 * 3)};
  for (std::int64_t y = 0; y < board.height; ++y) {
    for (std::int64_t x = 0; x < board.width; ++x)
      std::fill_n(board.pixels.data() + (y * board.width + x) * 3, 3, (x + y) % 2 == 0 ? 255 : 0);
  }
  for (const double scale : {0.24, 0.12, 0.06}) {
    const Image small = warp(board, {.along = scale, .right = -2, .down = -1}, 12, 16);
    for (const std::uint8_t value : small.pixels) CHECK(std::abs(value - 128) <= 1);
  }
  CHECK(pixel_of(warp(board, {.along = 0.25}, 12, 16, false), 3, 3)[0] == 255);

  // A ramp stays one: the averages are not shifted.
  for (std::int64_t y = 0; y < board.height; ++y) {
    for (std::int64_t x = 0; x < 126; ++x)
      std::fill_n(board.pixels.data() + (y * board.width + x) * 3, 3, static_cast<std::uint8_t>(2 * x));
  }
  for (const double scale : {0.5, 0.3, 0.2, 0.1}) {
    const Image small = warp(board, {.along = scale, .right = -1.3, .down = -2}, 10, 20);
    for (std::int64_t x = 0; x < 20 && (static_cast<double>(x) + 1.3) / scale < 120; ++x) {
      INFO(scale << " " << x);
      CHECK(static_cast<double>(pixel_of(small, 5, x)[0]) == Approx(2 * (static_cast<double>(x) + 1.3) / scale).margin(1.5));
    }
  }
}

TEST_CASE("alignment: photographs become the known aligned faces", "[alignment][golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("alignment: photographs become the known aligned faces");
  int compared = 0;
  double worst = 0;
  for (const std::string set : {"faces", "faces_celeba"}) {
    const fs::path folder = *shared / "data" / set;
    std::map<std::string, std::string> aligned;  // of the photograph's name
    for (const auto& row : rows_of(folder / "sources.csv")) {
      const fs::path source = row.at("source_file"), path = row.at("path");
      const std::string photograph = set == "faces" ? "lfw_" + source.filename().string() : source.filename().string();
      aligned[photograph] = set == "faces" ? path.string() : "train/" + path.string();
    }
    for (const auto& [file, faces] : known_faces(folder / (set == "faces" ? "raw/raw_landmarks.csv" : "raw_landmarks.csv"))) {
      if (faces.size() != 1 || !aligned.contains(file)) continue;
      const Image photograph = read_image(folder / "raw" / file, ChannelOrder::rgb);
      const Image known = read_image(folder / aligned.at(file), ChannelOrder::rgb), face = align_face(photograph, faces[0].landmarks);
      REQUIRE((known.height == face.height && known.width == face.width));
      double sum = 0;
      for (std::size_t i = 0; i < face.pixels.size(); ++i) sum += std::abs(int{face.pixels[i]} - int{known.pixels[i]});
      const double mean = sum / static_cast<double>(face.pixels.size());
      INFO(set << " " << file << ": the pixels differ by " << mean << " in the mean");
      CHECK(mean < 3.5);  // theirs were written as JPEG
      worst = std::max(worst, mean);
      ++compared;
    }
  }
  INFO("worst " << worst);
  CHECK(compared >= 60);
}
