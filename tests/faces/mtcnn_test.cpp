#include "faces/mtcnn_boxes.h"
#include "faces/resample.h"

#include <amnet/faces/mtcnn.h>
#include <amnet/io/npy.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "catch.h"
#include "faces/known_faces.h"
#include "shared_data.h"

using namespace amnet;
using namespace amnet::mtcnn;
namespace fs = std::filesystem;

namespace {

double overlap_of(const Box& a, const Box& b) {
  const double width = std::min(a.left + a.width, b.left + b.width) - std::max(a.left, b.left);
  const double height = std::min(a.top + a.height, b.top + b.height) - std::max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  return width * height / (a.width * a.height + b.width * b.height - width * height);
}

/// What detection on known photographs gives.
struct Count {
  int photographs = 0, known = 0, found = 0, more = 0;
  std::vector<double> errors;  // of landmarks, in widths of the box

  double quantile(double share) {
    std::ranges::sort(errors);
    return errors.at(static_cast<std::size_t>(share * static_cast<double>(errors.size() - 1)));
  }
};

Count compare_with_known(const fs::path& photographs, const fs::path& table, const fs::path& nets, const MtcnnOptions& options) {
  Mtcnn detector(read_mtcnn(nets), Cpu(1), options);
  Count count;
  for (const auto& [file, faces] : known_faces(table)) {
    const Image photograph = read_image(photographs / file, ChannelOrder::rgb);
    const std::vector<DetectedFace> detected = detector.detect(photograph, ChannelOrder::rgb);
    ++count.photographs;
    count.known += static_cast<int>(faces.size());
    int matched = 0;
    for (const DetectedFace& face : faces) {
      const auto best = std::ranges::max_element(detected, {}, [&](const DetectedFace& other) { return overlap_of(face.box, other.box); });
      if (best == detected.end() || overlap_of(face.box, best->box) < 0.5) continue;
      ++matched;
      for (std::size_t i = 0; i < face.landmarks.size(); ++i) {
        count.errors.push_back(std::hypot(best->landmarks[i].x - face.landmarks[i].x, best->landmarks[i].y - face.landmarks[i].y) /
                               face.box.width);
      }
    }
    count.found += matched;
    count.more += static_cast<int>(detected.size()) - matched;
  }
  return count;
}

}  // namespace

TEST_CASE("resample: areas where both sides become shorter, neighbours elsewhere, and black beyond the image", "[mtcnn]") {
  // 6 columns and 2 rows; red depends on the column, green on the row, blue is 0.
  constexpr std::array<std::uint8_t, 6> red = {0, 30, 90, 10, 200, 60};
  Image image{.height = 2, .width = 6, .pixels = {}};
  for (int y = 0; y < 2; ++y) {
    for (const std::uint8_t value : red) image.pixels.insert(image.pixels.end(), {value, static_cast<std::uint8_t>(100 * y), 0});
  }
  Resampler resampler;
  // The byte of a channel at (x, y) of the result.
  const auto resampled = [&](ChannelOrder order, const Region& region, std::int64_t width, std::int64_t height) {
    std::vector<float> out(static_cast<std::size_t>(width * height * 3));
    resampler.resample(image, order, region, width, height, out);
    return [out, height](std::int64_t x, std::int64_t y, std::int64_t c) {
      return static_cast<double>(out[static_cast<std::size_t>((x * height + y) * 3 + c)]) * 128 + 127.5;
    };
  };
  const Region whole{.left = 0, .top = 0, .width = 6, .height = 2};
  // Both sides shorter: means of 3x2 pixels.
  const auto small = resampled(ChannelOrder::rgb, whole, 2, 1);
  CHECK(small(0, 0, 0) == Approx(40));
  CHECK(small(1, 0, 0) == Approx(90));
  CHECK(small(0, 0, 1) == Approx(50));
  // 6 columns to 4: one and a half each.
  const auto uneven = resampled(ChannelOrder::rgb, whole, 4, 1);
  CHECK(uneven(0, 0, 0) == Approx((0 + 30 / 2.0) / 1.5));
  CHECK(uneven(1, 0, 0) == Approx((30 / 2.0 + 90) / 1.5));
  // One side longer: columns 1 and 4 alone, though three become one.
  const auto tall = resampled(ChannelOrder::rgb, whole, 2, 4);
  CHECK(tall(0, 2, 0) == Approx(30));
  CHECK(tall(1, 2, 0) == Approx(200));
  CHECK(tall(0, 0, 1) == Approx(0));
  CHECK(tall(0, 1, 1) == Approx(25));
  CHECK(tall(0, 2, 1) == Approx(75));
  CHECK(tall(0, 3, 1) == Approx(100));
  // The other order of channels, and half of the region outside.
  const auto outside = resampled(ChannelOrder::bgr, {.left = -2, .top = -1, .width = 4, .height = 4}, 4, 4);
  CHECK(outside(3, 2, 2) == Approx(30));
  CHECK(outside(3, 2, 1) == Approx(100));
  CHECK(outside(3, 2, 0) == Approx(0));
  for (const auto& [x, y] : {std::pair{1, 2}, std::pair{3, 0}, std::pair{3, 3}}) {
    CHECK(outside(x, y, 1) == Approx(0).margin(1e-4));
    CHECK(outside(x, y, 2) == Approx(0).margin(1e-4));
  }
}

TEST_CASE("resample: the known inputs of MTCNN's nets", "[mtcnn][golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("resample: the known inputs of MTCNN's nets");
  const fs::path folder = *shared / "data/faces";
  std::ifstream file(folder / "mtcnn_golden/manifest.json");
  const nlohmann::json manifest = nlohmann::json::parse(file);
  Resampler resampler;
  double worst = 0;
  int inputs = 0;
  // Their axes are (N, C, x, y), ours (N, x, y, C).
  const auto compare = [&](const Tensor& planar, std::int64_t n, const std::vector<float>& found) {
    const std::int64_t pixels = planar.shape()[2] * planar.shape()[3];
    REQUIRE(static_cast<std::int64_t>(found.size()) == 3 * pixels);
    for (std::int64_t c = 0; c < 3; ++c) {
      for (std::int64_t i = 0; i < pixels; ++i) {
        const float wanted = planar.data<const float>()[static_cast<std::size_t>((n * 3 + c) * pixels + i)];
        worst = std::max(worst, static_cast<double>(std::abs(found[static_cast<std::size_t>(i * 3 + c)] - wanted)));
      }
    }
    ++inputs;
  };
  for (const auto& known : manifest.at("cases")) {
    const Image image = read_image(folder / known.at("image").get<std::string>(), ChannelOrder::bgr);
    for (const auto& level : known.at("pnet")) {
      const Tensor planar = read_npy(folder / "mtcnn_golden" / level.at("input").at("file").get<std::string>());
      std::vector<float> found(static_cast<std::size_t>(planar.count()));
      resampler.resample(image, ChannelOrder::bgr, {0, 0, image.width, image.height}, planar.shape()[2], planar.shape()[3], found);
      compare(planar, 0, found);
    }
    for (const char* net : {"rnet", "onet"}) {
      const Tensor planar = read_npy(folder / "mtcnn_golden" / known.at(net).at("input").at("file").get<std::string>());
      const auto& boxes = known.at(net).at("boxes");
      REQUIRE(static_cast<std::int64_t>(boxes.size()) == planar.shape()[0]);
      for (std::int64_t n = 0; n < planar.shape()[0]; ++n) {
        const auto box = boxes.at(static_cast<std::size_t>(n)).get<std::vector<std::int64_t>>();
        std::vector<float> found(static_cast<std::size_t>(planar.count() / planar.shape()[0]));
        resampler.resample(image, ChannelOrder::bgr, {box[0] - 1, box[1] - 1, box[2] - box[0] + 1, box[3] - box[1] + 1}, planar.shape()[2],
                           planar.shape()[3], found);
        compare(planar, n, found);
        if (worst > 0.01)
          FAIL(net << " " << n << " box " << box[0] << " " << box[1] << " " << box[2] << " " << box[3] << " worst " << worst);
      }
    }
  }
  INFO("worst " << worst);
  CHECK(inputs > 100);
  CHECK(worst < 1e-5);
}

TEST_CASE("mtcnn: the faces of known photographs", "[mtcnn][golden][long]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("mtcnn: the faces of known photographs");
  const fs::path nets = *shared / "data/models/mtcnn";
  struct Set {
    std::string folder, table;
    MtcnnOptions options;
  };
  for (const auto& [folder, table, options] :
       {Set{"faces/raw", "faces/raw/raw_landmarks.csv", {}}, Set{"faces/raw", "faces/raw/raw_landmarks.csv", {.mirrored_landmarks = true}},
        Set{"faces_celeba/raw", "faces_celeba/raw_landmarks.csv", {.min_face = 40}}}) {
    Count count = compare_with_known(*shared / "data" / folder, *shared / "data" / table, nets, options);
    const std::string told =
        fmt::format("{}: {} of {} faces on {} photographs, {} more; landmarks within {:.2f} % at the median, {:.2f} % at 95 %", folder,
                    count.found, count.known, count.photographs, count.more, 100 * count.quantile(0.5), 100 * count.quantile(0.95));
    INFO(told);
    fmt::print("{}\n", told);
    CHECK(count.found >= 0.98 * count.known);
    CHECK(count.more <= 0.02 * count.known);
    // Their landmarks are means with those of the mirror image in the first set, and not in the
    // other.
    const bool same = folder == "faces_celeba/raw" || options.mirrored_landmarks;
    CHECK(count.quantile(0.5) <= (same ? 1e-4 : 0.01));
    CHECK(count.quantile(0.95) <= (same ? 1e-4 : 0.03));
  }
}

TEST_CASE("mtcnn: a second photograph of a size plans nothing, and a tiny one has no face", "[mtcnn][golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("mtcnn: a second photograph of a size plans nothing, and a tiny one has no face");
  const MtcnnNets nets = read_mtcnn(*shared / "data/models/mtcnn");
  Mtcnn detector(nets, Cpu(1));
  const Image first = read_image(*shared / "data/faces/raw/lfw_Ari_Fleischer_0011.jpg", ChannelOrder::bgr);
  const Image second = read_image(*shared / "data/faces/raw/lfw_Adelina_Avila_0001.jpg", ChannelOrder::bgr);
  const std::vector<DetectedFace> faces = detector.detect(first, ChannelOrder::bgr);
  REQUIRE(faces.size() == 1);
  const std::int64_t made = detector.plans_made();
  CHECK(made == 8 + 2);
  CHECK(detector.detect(second, ChannelOrder::bgr).size() == 1);
  CHECK(detector.plans_made() == made);
  // Beside each other, and the other way round, they find the same.
  Mtcnn other(nets, Cpu(1));
  const std::vector<DetectedFace> again = other.detect(first, ChannelOrder::bgr);
  REQUIRE(again.size() == 1);
  CHECK(again[0].landmarks == faces[0].landmarks);
  CHECK(again[0].score == faces[0].score);

  for (const auto& [height, width] : {std::pair{1, 1}, std::pair{19, 400}, std::pair{5, 5}}) {
    const Image tiny{
        .height = height, .width = width, .pixels = std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * 3), 200)};
    CHECK(detector.detect(tiny, ChannelOrder::bgr).empty());
  }
  const Image grey{.height = 20, .width = 21, .pixels = std::vector<std::uint8_t>(std::size_t{20} * 21 * 3, 100)};
  CHECK(detector.detect(grey, ChannelOrder::bgr).empty());
}

TEST_CASE("mtcnn: what cannot be is refused", "[mtcnn][golden]") {
  using Catch::Matchers::Contains;
  CHECK_THROWS_AS(read_mtcnn("there is no such folder"), FileError);
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("mtcnn: what cannot be is refused");
  const MtcnnNets nets = read_mtcnn(*shared / "data/models/mtcnn");
  CHECK_THROWS_WITH(Mtcnn(nets, Cpu(1), {.min_face = 11}), Contains(".min_face") && Contains("11"));
  CHECK_THROWS_WITH(Mtcnn(nets, Cpu(1), {.factor = 1}), Contains(".factor"));
  CHECK_THROWS_WITH(Mtcnn(nets, Cpu(1), {.thresholds = {0.6, 1.5, 0.7}}), Contains(".thresholds") && Contains("1.5"));
}

TEST_CASE("mtcnn: of several faces the nearest to the centre, the largest, or all", "[mtcnn]") {
  const Image photograph{.height = 100, .width = 200, .pixels = {}};
  const std::vector<DetectedFace> faces = {{.box = {0, 0, 60, 60}, .score = 0.9, .landmarks = {}},
                                           {.box = {90, 40, 20, 20}, .score = 0.8, .landmarks = {}}};
  CHECK(chosen(faces, FaceChoice::all, photograph).size() == 2);
  REQUIRE(chosen(faces, FaceChoice::nearest, photograph).size() == 1);
  CHECK(chosen(faces, FaceChoice::nearest, photograph)[0].score == 0.8);
  CHECK(chosen(faces, FaceChoice::largest, photograph)[0].score == 0.9);
  CHECK(chosen({}, FaceChoice::nearest, photograph).empty());
}
