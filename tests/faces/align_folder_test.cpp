#include <amnet/core/error.h>
#include <amnet/faces/align_folder.h>
#include <amnet/faces/synthetic_photographs.h>
#include <amnet/io/durable_file.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "catch.h"
#include "data/test_images.h"
#include "shared_data.h"

using namespace amnet;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

/// Drawn photographs of three people, two each, and their landmarks.
struct Drawn {
  test_images::TemporaryFolder folder;
  fs::path in = folder.path() / "photographs", out = folder.path() / "faces";
  Drawn() { write_synthetic_photographs(in, {.identities = 3, .images = 2}); }

  AlignFolder options() const { return {.in = in, .out = out, .landmarks = in / "landmarks.csv", .threads = 2}; }
  /// Every file below `out` and its bytes, without the lock.
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(out)) {
      if (entry.is_regular_file() && entry.path().filename() != ".lock")
        found[entry.path().lexically_relative(out)] = read_file(entry.path());
    }
    return found;
  }
};

}  // namespace

TEST_CASE("synthetic photographs: their landmarks lead back to the face that was drawn", "[align][synthetic_faces]") {
  for (std::uint64_t image = 0; image < 4; ++image) {
    const FaceKey key{.seed = 5, .identity = 2, .image = image};
    const SyntheticPhotograph photograph = synthetic_photograph(key);
    const Image drawn = render_face(synthetic_identity(5, 2), key), face = align_face(photograph.image, photograph.landmarks);
    double sum = 0;
    int pixels = 0;
    for (std::int64_t y = 20; y < 100; ++y) {
      for (std::int64_t x = 16; x < 80; ++x, ++pixels) {
        sum += std::abs(int{drawn.pixels[static_cast<std::size_t>((y * 96 + x) * 3)]} -
                        int{face.pixels[static_cast<std::size_t>((y * 96 + x) * 3)]});
      }
    }
    CHECK(sum / pixels < 6);  // resampled twice
    CHECK(synthetic_photograph(key).image.pixels == photograph.image.pixels);
  }
}

TEST_CASE("synthetic photographs: the number of threads changes no byte", "[align][synthetic_faces]") {
  const test_images::TemporaryFolder folder;
  const SyntheticFaces faces{.first_identity = 3, .identities = 5, .images = 2};
  SyntheticFaces threaded = faces;
  threaded.threads = 3;
  write_synthetic_photographs(folder.path() / "one", faces);
  write_synthetic_photographs(folder.path() / "three", threaded);
  const std::string table = read_file(folder.path() / "one/landmarks.csv");
  CHECK(read_file(folder.path() / "three/landmarks.csv") == table);
  CHECK(std::ranges::count(table, '\n') == 11);
  for (const char* name : {"id_00003/id_00003_0001.jpg", "id_00007/id_00007_0002.jpg"}) {
    CHECK(read_file(folder.path() / "one" / name) == read_file(folder.path() / "three" / name));
    CHECK_THAT(table, Contains(name));
  }
  CHECK_THROWS_AS(write_synthetic_photographs(folder.path() / "none", {.identities = 0}), UsageError);
}

TEST_CASE("align folder: drawn photographs become faces with the same names", "[align]") {
  const Drawn drawn;
  const AlignSummary summary = align_folder(drawn.options());
  CHECK(
      (summary.photographs == 6 && summary.aligned == 6 && summary.faces.size() == 6 && summary.rejected.empty() && summary.earlier == 0));
  for (const AlignedFace& face : summary.faces) {
    CHECK(face.picture == face.photograph);
    CHECK(face.misfit < 0.01);
    CHECK(std::abs(face.roll) < 27);
    const Image picture = read_image(drawn.out / face.picture, ChannelOrder::rgb);
    CHECK((picture.height == 112 && picture.width == 96));
  }
  const auto files = drawn.files();
  CHECK(files.size() == 6 + 4);
  CHECK_THAT(files.at("align.html"), Contains("100.0 %") && Contains("image/jpeg"));
  CHECK(parse_landmark_table(files.at("faces.csv"), "faces.csv").photographs.size() == 6);
  CHECK(files.at("rejected.csv") == "file,reason\n");
}

TEST_CASE("align folder: the next run goes on where one ended, to the same bytes", "[align]") {
  const Drawn drawn;
  align_folder(drawn.options());
  const auto whole = drawn.files();
  // As killed: the last lines are missing or cut, and a picture is empty.
  std::string journal = whole.at("align.jsonl");
  journal.resize(journal.size() - 500);
  write_durably(drawn.out / "align.jsonl", journal);
  write_durably(drawn.out / "id_00000/id_00000_0001.jpg", "");
  fs::remove(drawn.out / "faces.csv");
  AlignSummary summary = align_folder(drawn.options());
  CHECK((summary.aligned == 6 && summary.earlier >= 2 && summary.earlier <= 4));
  for (const auto& [name, bytes] : whole) {
    INFO(name);
    if (name != "align.jsonl") CHECK(drawn.files().at(name) == bytes);
  }
  summary = align_folder(drawn.options());
  CHECK(summary.earlier == 6);
  // A line that is damaged: what stands behind it is done again.
  journal = whole.at("align.jsonl");
  std::size_t line = 0;
  for (int i = 0; i < 3; ++i) line = journal.find('\n', line) + 1;
  journal[line] = '[';
  write_durably(drawn.out / "align.jsonl", journal);
  summary = align_folder(drawn.options());
  CHECK((summary.earlier == 2 && summary.aligned == 6));
  CHECK(read_file(drawn.out / "align.jsonl") == whole.at("align.jsonl"));
  // A stop keeps what was done.
  AlignFolder options = drawn.options();
  options.out = drawn.folder.path() / "stopped";
  options.progress = [](std::int64_t done, std::int64_t) {
    if (done == 2) throw UsageError("stopped");
  };
  CHECK_THROWS_WITH(align_folder(options), "stopped");
  options.progress = {};
  CHECK(align_folder(options).earlier == 2);
  CHECK(read_file(options.out / "faces.csv") == whole.at("faces.csv"));
  // A new photograph alone is done.
  write_durably(drawn.in / "id_00009.jpg", read_file(drawn.in / "id_00000/id_00000_0001.jpg"));
  summary = align_folder(options);
  CHECK((summary.earlier == 6 && summary.photographs == 7 && summary.rejected.size() == 1));
  CHECK(summary.rejected[0].reason == "the table of landmarks has none of it.");
  // And one that has become another picture of the same name.
  const std::string before = read_file(options.out / "id_00001/id_00001_0001.jpg");
  write_durably(drawn.in / "id_00001/id_00001_0001.jpg", read_file(drawn.in / "id_00002/id_00002_0001.jpg"));
  summary = align_folder(options);
  CHECK(summary.earlier == 6);
  CHECK(read_file(options.out / "id_00001/id_00001_0001.jpg") != before);
}

TEST_CASE("align folder: damaged photographs, small faces and profiles are rejected with the reason", "[align]") {
  const Drawn drawn;
  write_durably(drawn.in / "id_00000/id_00000_0001.jpg", "no picture");
  AlignFolder options = drawn.options();
  options.least_eyes = 0;
  AlignSummary summary = align_folder(options);
  REQUIRE(summary.rejected.size() == 1);
  CHECK(summary.rejected[0].photograph == "id_00000/id_00000_0001.jpg");
  CHECK_THAT(summary.rejected[0].reason, !Contains("id_00000") && Contains("."));
  CHECK_THAT(read_file(drawn.out / "align.html"), Contains("Rejected"));
  options.out = drawn.folder.path() / "large";
  options.least_eyes = 1000;
  summary = align_folder(options);
  CHECK((summary.aligned == 0 && summary.rejected.size() == 6));
  CHECK_THAT(summary.rejected[1].reason, Contains("pixels apart, and 1000 are asked for"));
  write_durably(drawn.in / "landmarks.csv", [&] {
    std::string table = read_file(drawn.in / "landmarks.csv");
    const std::size_t line = table.find("id_00002/id_00002_0001.jpg"), end = table.find('\n', line);
    return table.replace(line, end - line, "id_00002/id_00002_0001.jpg,0,10,10,100,10,10,50,10,60,100,10");
  }());
  options.out = drawn.folder.path() / "odd";
  options.least_eyes = 0;
  summary = align_folder(options);
  REQUIRE(summary.rejected.size() == 2);
  CHECK_THAT(summary.rejected[1].reason, Contains("miss the template by"));
}

TEST_CASE("align folder: several faces, other endings, and names that meet", "[align]") {
  const Drawn drawn;
  fs::remove_all(drawn.in / "id_00001");
  fs::remove_all(drawn.in / "id_00002");
  const std::string first = "id_00000/id_00000_0001";
  fs::copy_file(drawn.in / (first + ".jpg"), drawn.in / (first + ".jpeg"));
  std::string table = read_file(drawn.in / "landmarks.csv");
  const std::size_t begin = table.find(first), end = table.find('\n', begin);
  const std::string row = table.substr(begin, end - begin);
  std::string second = row, twin = row;
  second.replace(second.find(",0,"), 3, ",1,");
  twin.replace(twin.find(".jpg"), 4, ".jpeg");
  write_durably(drawn.in / "landmarks.csv", table.substr(0, table.find('\n') + 1) + row + "\n" + second + "\n" + twin + "\n");
  AlignFolder options = drawn.options();
  options.choice = FaceChoice::all;
  options.kind = PictureKind::png;
  options.alignment.form = FaceTemplate::arcface;
  const AlignSummary summary = align_folder(options);
  REQUIRE(summary.faces.size() == 3);
  CHECK(summary.faces[0].picture == first + ".png");
  CHECK(summary.faces[1].picture == first + ".face2.png");
  CHECK(summary.faces[2].picture == first + ".jpeg.png");
  const Image picture = read_image(drawn.out / summary.faces[2].picture, ChannelOrder::rgb);
  CHECK((picture.height == 112 && picture.width == 112));
  CHECK(summary.rejected.size() == 1);
}

TEST_CASE("align folder: no file of another is touched", "[align]") {
  const Drawn drawn;
  AlignFolder options = drawn.options();
  align_folder(options);
  options.least_eyes = 11;
  CHECK_THROWS_WITH(align_folder(options),
                    Contains("align.jsonl: the faces that are there were made with least_eyes 10.0, and this run has 11.0;"));
  options.out = drawn.folder.path() / "mine";
  write_durably(drawn.folder.path() / "mine.txt", "x");
  fs::create_directory(options.out);
  write_durably(options.out / "mine.jpg", "mine");
  CHECK_THROWS_WITH(align_folder(options), Contains("has other files; expected a new folder"));
  CHECK(read_file(options.out / "mine.jpg") == "mine");
  write_durably(options.out / "align.jsonl", "{\"of\": \"another program\"}\n");
  CHECK_THROWS_AS(align_folder(options), DataError);
  CHECK(read_file(options.out / "align.jsonl") == "{\"of\": \"another program\"}\n");

  options = drawn.options();
  options.out = options.in;
  CHECK_THROWS_WITH(align_folder(options), Contains("another folder than that of the photographs"));
  options = drawn.options();
  options.in = drawn.folder.path() / "absent";
  CHECK_THROWS_AS(align_folder(options), DataError);
  fs::create_directory(options.in);
  options.out = drawn.folder.path() / "new";
  CHECK_THROWS_WITH(align_folder(options), Contains("expected photographs but there is none"));
  options.mtcnn = "mtcnn";
  CHECK_THROWS_WITH(align_folder(options), Contains("either .mtcnn or .landmarks"));
  options = drawn.options();
  options.quality = 0;
  CHECK_THROWS_WITH(align_folder(options), Contains(".quality"));
  // Faces inside the folder of the photographs are not photographs of the next run.
  options = drawn.options();
  options.out = options.in / "faces";
  CHECK(align_folder(options).photographs == 6);
  CHECK(align_folder(options).photographs == 6);
}

TEST_CASE("align folder: real photographs, whatever the number of threads", "[align][golden]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("align folder: real photographs, whatever the number of threads");
  const test_images::TemporaryFolder folder;
  const fs::path in = folder.path() / "photographs";
  fs::create_directory(in);
  int copied = 0;
  for (const auto& entry : fs::directory_iterator(*shared / "data/faces/raw")) {
    if (entry.path().extension() == ".jpg" && copied < 6) ++copied, fs::copy_file(entry.path(), in / entry.path().filename());
  }
  std::map<int, std::string> tables;
  for (const int threads : {1, 3}) {
    const fs::path out = folder.path() / std::to_string(threads);
    const AlignSummary summary =
        align_folder({.in = in, .out = out, .mtcnn = *shared / "data/models/mtcnn", .most_misfit = 20, .threads = threads});
    CHECK(summary.aligned >= 5);
    tables[threads] = read_file(out / "faces.csv") + read_file(out / "rejected.csv");
  }
  CHECK(tables.at(1) == tables.at(3));
}
