#include <amnet/core/error.h>
#include <amnet/faces/synthetic_faces.h>

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "catch.h"

using namespace amnet;

namespace {

constexpr FaceVariation still = {.pose = 0, .expression = 0, .light = 0, .background = 0, .camera = 0};

Image face(std::uint64_t identity, std::uint64_t image, const FaceVariation& variation = {}) {
  return render_face(synthetic_identity(1, identity), {.seed = 1, .identity = identity, .image = image}, variation);
}

double mean_difference(const Image& a, const Image& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(int{a.pixels[i]} - int{b.pixels[i]});
  return sum / static_cast<double>(a.pixels.size());
}

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  REQUIRE(in.good());
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A directory that is removed afterwards.
struct Scratch {
  std::filesystem::path path = std::filesystem::temp_directory_path() / fmt::format("amnet_synthetic_faces_{}", ::getpid());
  Scratch() { std::filesystem::remove_all(path); }
  ~Scratch() { std::filesystem::remove_all(path); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

}  // namespace

TEST_CASE("synthetic_faces: a person is at least 24 continuous traits, each with a name", "[synthetic_faces]") {
  STATIC_REQUIRE(face_trait_count >= 24);
  std::set<std::string_view> names;
  std::set<float> values;
  for (int trait = 0; trait < face_trait_count; ++trait) {
    names.insert(name_of(static_cast<FaceTrait>(trait)));
    for (const std::uint64_t index : {0U, 1U, 2U}) {
      const float value = synthetic_identity(1, index)[static_cast<FaceTrait>(trait)];
      CHECK(value >= -1);
      CHECK(value <= 1);
      values.insert(value);
    }
  }
  CHECK(names.size() == face_trait_count);
  CHECK(name_of(FaceTrait::face_width) == "face_width");
  CHECK(name_of(FaceTrait::age_lines) == "age_lines");
  CHECK(values.size() == 3 * face_trait_count);
  CHECK(synthetic_identity(1, 7).traits == synthetic_identity(1, 7).traits);
  CHECK(synthetic_identity(1, 7).traits != synthetic_identity(2, 7).traits);
}

TEST_CASE("synthetic_faces: every trait shows, and people who agree in one still differ", "[synthetic_faces]") {
  const FaceKey key{};
  const FaceIdentity ann = synthetic_identity(1, 3);
  for (int index = 0; index < face_trait_count; ++index) {
    const auto trait = static_cast<FaceTrait>(index);
    INFO(name_of(trait));
    FaceIdentity low = ann;
    FaceIdentity high = ann;
    low[trait] = -0.9F;
    high[trait] = 0.9F;
    const Image a = render_face(low, key, still);
    const Image b = render_face(high, key, still);
    int changed = 0;  // values that differ visibly
    for (std::size_t i = 0; i < a.pixels.size(); ++i) changed += std::abs(int{a.pixels[i]} - int{b.pixels[i]}) > 8;
    CHECK(changed >= 20);

    FaceIdentity bob = synthetic_identity(1, 4);
    bob[trait] = ann[trait];
    CHECK(mean_difference(render_face(ann, key, still), render_face(bob, key, still)) > 6);
  }
}

TEST_CASE("synthetic_faces: an image depends on its key alone", "[synthetic_faces]") {
  std::vector<std::vector<std::uint8_t>> forwards, backwards;
  for (std::uint64_t n = 0; n < 6; ++n) forwards.push_back(face(n / 3, n % 3).pixels);
  for (std::uint64_t n = 6; n-- > 0;) backwards.push_back(face(n / 3, n % 3).pixels);
  std::reverse(backwards.begin(), backwards.end());
  CHECK(forwards == backwards);
  CHECK(std::set<std::vector<std::uint8_t>>(forwards.begin(), forwards.end()).size() == 6);
  CHECK(forwards[0].size() == std::size_t{112 * 96 * 3});

  const FaceIdentity person = synthetic_identity(1, 0);
  CHECK(render_face(person, {.seed = 2, .identity = 0, .image = 0}).pixels != forwards[0]);
  CHECK(synthetic_face_jpeg({.seed = 1, .identity = 5, .image = 6}) == synthetic_face_jpeg({.seed = 1, .identity = 5, .image = 6}));
}

TEST_CASE("synthetic_faces: each cause of variation can be switched off", "[synthetic_faces]") {
  CHECK(face(0, 0, still).pixels == face(0, 1, still).pixels);
  constexpr FaceVariation most = {.pose = 2, .expression = 2, .light = 2, .background = 2, .camera = 2};
  // and no value is outside its range (UBSan)
  for (std::uint64_t n = 0; n < 40; ++n) CHECK(face(n, n, most).pixels != face(n, n).pixels);
  for (double FaceVariation::*const cause :
       {&FaceVariation::pose, &FaceVariation::expression, &FaceVariation::light, &FaceVariation::background, &FaceVariation::camera}) {
    FaceVariation one = still;
    one.*cause = 1;
    CHECK(face(0, 0, one).pixels != face(0, 1, one).pixels);
    one.*cause = 2.5;
    CHECK_THROWS_AS(face(0, 0, one), UsageError);
    one.*cause = std::nan("");
    CHECK_THROWS_AS(face(0, 0, one), UsageError);
  }
}

TEST_CASE("synthetic_faces: a written set is whole and does not depend on the threads", "[synthetic_faces]") {
  const Scratch scratch;
  const SyntheticFaces faces{.first_identity = 12, .identities = 3, .images = 2, .seed = 9};
  std::vector<std::uint64_t> done;
  write_synthetic_faces(scratch.path / "one", faces, [&](std::uint64_t written, std::uint64_t all) {
    done.push_back(written);
    CHECK(all == 6);
  });
  CHECK(done == std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6});
  SyntheticFaces threaded = faces;
  threaded.threads = 3;
  write_synthetic_faces(scratch.path / "three", threaded);

  CHECK(contents(scratch.path / "one/list.txt") ==
        "id_00012/id_00012_0001.jpg 0\nid_00012/id_00012_0002.jpg 0\nid_00013/id_00013_0001.jpg 1\n"
        "id_00013/id_00013_0002.jpg 1\nid_00014/id_00014_0001.jpg 2\nid_00014/id_00014_0002.jpg 2\n");
  CHECK(contents(scratch.path / "one/list.txt") == contents(scratch.path / "three/list.txt"));
  for (std::uint64_t identity = 12; identity < 15; ++identity) {
    for (const std::uint64_t image : {1U, 2U}) {
      const auto path = synthetic_face_path(identity, image);
      CHECK(contents(scratch.path / "one" / path) == contents(scratch.path / "three" / path));
      const Image read = read_image(scratch.path / "one" / path, ChannelOrder::rgb);
      CHECK(read.height == synthetic_face_height);
      CHECK(read.width == synthetic_face_width);
      const Image drawn = render_face(synthetic_identity(9, identity), {.seed = 9, .identity = identity, .image = image - 1});
      CHECK(mean_difference(read, drawn) < 8);  // JPEG changes noise and colour edges
    }
  }

  CHECK_THROWS_AS(write_synthetic_faces(scratch.path, {.identities = 0}), UsageError);
  CHECK_THROWS_AS(write_synthetic_faces(scratch.path, {.threads = 0}), UsageError);
  std::ofstream(scratch.path / "file") << "in the way";
  CHECK_THROWS_AS(write_synthetic_faces(scratch.path / "file", {.identities = 2, .images = 1, .threads = 2}), FileError);
}

TEST_CASE("synthetic_faces: pairs are LFW's format, new each time, and no identity is in two folds", "[synthetic_faces]") {
  const SyntheticPairs wanted{.first_identity = 200, .identities = 53, .images = 40, .seed = 1};
  std::istringstream text(synthetic_pairs(wanted));
  std::string line;
  REQUIRE(std::getline(text, line));
  CHECK(line == "10\t100");
  std::map<std::string, int> fold_of;
  std::set<std::string> seen;
  const auto person = [&](const std::string& name, int fold) {
    CHECK(fold_of.emplace(name, fold).first->second == fold);
    const int number = std::stoi(name.substr(3));
    CHECK(name == synthetic_identity_name(static_cast<std::uint64_t>(number)));
    CHECK((number >= 200 && number < 253));
  };
  const auto image = [](const std::string& number) { CHECK((std::stoi(number) >= 1 && std::stoi(number) <= 40)); };
  for (int fold = 0; fold < 10; ++fold) {
    for (int pair = 0; pair < 200; ++pair) {
      REQUIRE(std::getline(text, line));
      CHECK(seen.insert(line).second);
      std::vector<std::string> fields;
      std::istringstream parts(line);
      for (std::string field; std::getline(parts, field, '\t');) fields.push_back(field);
      REQUIRE(fields.size() == (pair < 100 ? 3U : 4U));
      person(fields[0], fold);
      image(fields[1]);
      image(fields.back());
      if (pair < 100) {
        CHECK(fields[1] != fields[2]);
      } else {
        person(fields[2], fold);
        CHECK(fields[0] != fields[2]);
      }
    }
  }
  CHECK_FALSE(std::getline(text, line));
  CHECK(fold_of.size() == 53);
  CHECK(synthetic_pairs(wanted) == synthetic_pairs(wanted));

  CHECK_THROWS_AS(synthetic_pairs({.identities = 19}), UsageError);
  CHECK_THROWS_AS(synthetic_pairs({.images = 2}), UsageError);
  CHECK_THROWS_AS(write_synthetic_pairs("/nowhere/at/all/pairs.txt", wanted), FileError);
}

TEST_CASE("synthetic_faces: the contact sheet shows each face in its place", "[synthetic_faces]") {
  const Image sheet = synthetic_contact_sheet({.first_identity = 5, .identities = 2, .images = 3, .seed = 1});
  REQUIRE(sheet.height == 224);
  REQUIRE(sheet.width == 288);
  const Image last = face(6, 2);
  for (const std::size_t row : {0U, 50U, 111U}) {
    CHECK(std::equal(last.pixels.begin() + static_cast<std::ptrdiff_t>(row * 288),
                     last.pixels.begin() + static_cast<std::ptrdiff_t>(row * 288 + 288),
                     sheet.pixels.begin() + static_cast<std::ptrdiff_t>((112 + row) * 864 + 576)));
  }
}
