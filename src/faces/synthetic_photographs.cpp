#include <amnet/core/random.h>
#include <amnet/faces/landmark_table.h>
#include <amnet/faces/synthetic_photographs.h>
#include <amnet/io/durable_file.h>

#include "synthetic_people.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

namespace amnet {
namespace {

constexpr int quality = 92;
constexpr std::uint64_t draws_of_image = 64;  // at most so many numbers are drawn for one

/// Two colours, from corner to corner, with some squares in front of them.
Image background(std::int64_t height, std::int64_t width, const Random& random, std::uint64_t& draw) {
  std::array<double, 3> from{}, to{};
  for (double& value : from) value = random.uniform(draw++, 40, 200);
  for (double& value : to) value = random.uniform(draw++, 40, 200);
  Image image{.height = height, .width = width, .pixels = std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * 3))};
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const double share = static_cast<double>(x + y) / static_cast<double>(height + width);
      for (std::size_t c = 0; c < 3; ++c) {
        image.pixels[static_cast<std::size_t>((y * width + x) * 3) + c] = static_cast<std::uint8_t>(from[c] + share * (to[c] - from[c]));
      }
    }
  }
  for (int square = 0; square < 4; ++square) {
    const auto side = static_cast<std::int64_t>(random.uniform(draw++, 20, 90));
    const auto left = static_cast<std::int64_t>(random.uniform(draw++, -20, static_cast<double>(width))),
               top = static_cast<std::int64_t>(random.uniform(draw++, -20, static_cast<double>(height)));
    const double darker = random.uniform(draw++, 0.6, 1);
    for (std::int64_t y = std::max<std::int64_t>(0, top); y < std::min(height, top + side); ++y) {
      for (std::int64_t x = std::max<std::int64_t>(0, left); x < std::min(width, left + side); ++x) {
        std::uint8_t* pixel = image.pixels.data() + (y * width + x) * 3;
        for (int c = 0; c < 3; ++c) pixel[c] = static_cast<std::uint8_t>(darker * pixel[c]);
      }
    }
  }
  return image;
}

}  // namespace

SyntheticPhotograph synthetic_photograph(const FaceKey& key, const FaceVariation& variation) {
  const Random random(key.seed, stream_of("synthetic photograph"), key.identity);
  std::uint64_t draw = key.image * draws_of_image;
  const auto height = static_cast<std::int64_t>(random.uniform(draw++, 240, 480)),
             width = static_cast<std::int64_t>(random.uniform(draw++, 240, 480));
  Image image = background(height, width, random, draw);

  const double scale = random.uniform(draw++, 0.8, 1.6), angle = random.uniform(draw++, -25, 25) * std::numbers::pi / 180;
  Similarity map{.along = scale * std::cos(angle), .across = scale * std::sin(angle)};
  const Point middle = map({synthetic_face_width / 2.0, synthetic_face_height / 2.0});
  const double room = 60 * scale;  // so that the landmarks are in the photograph
  map.right = random.uniform(draw++, room, static_cast<double>(width) - room) - middle.x;
  map.down = random.uniform(draw++, room, static_cast<double>(height) - room) - middle.y;

  const Image face = render_face(synthetic_identity(key.seed, key.identity), key, variation);
  // Which pixels are the face's, and how much of each.
  const Image whole{.height = face.height, .width = face.width, .pixels = std::vector<std::uint8_t>(face.pixels.size(), 255)};
  const Image pasted = warp(face, map, height, width), mask = warp(whole, map, height, width);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = static_cast<std::uint8_t>(pasted.pixels[i] + (255 - mask.pixels[i]) * image.pixels[i] / 255);
  }
  SyntheticPhotograph photograph{.image = std::move(image), .landmarks = {}};
  std::ranges::transform(landmarks_of(FaceTemplate::sphereface), photograph.landmarks.begin(), map);
  return photograph;
}

void write_synthetic_photographs(const std::filesystem::path& directory, const SyntheticFaces& faces, const SynthesisProgress& progress) {
  std::vector<Landmarks> landmarks(faces.identities * faces.images);  // each set by one thread
  const auto file_of = [&](const FaceKey& key) {
    const SyntheticPhotograph photograph = synthetic_photograph(key, faces.variation);
    landmarks[(key.identity - faces.first_identity) * faces.images + key.image] = photograph.landmarks;
    return encode_jpeg(photograph.image, ChannelOrder::rgb, quality);
  };
  write_synthetic_people(directory, faces, file_of, progress);

  std::string table = "file,face";
  for (const std::string_view point : names_of(PointName{})) table += fmt::format(",{0}_x,{0}_y", point);
  table += '\n';
  for (std::size_t i = 0; i < landmarks.size(); ++i) {
    table += fmt::format("{},0", synthetic_face_path(faces.first_identity + i / faces.images, i % faces.images + 1));
    for (const Point& point : landmarks[i]) table += fmt::format(",{:.3f},{:.3f}", point.x, point.y);
    table += '\n';
  }
  write_durably(directory / "landmarks.csv", table);
}

}  // namespace amnet
