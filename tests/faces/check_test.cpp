#include <amnet/data/image.h>
#include <amnet/faces/check.h>

#include "catch.h"
#include "data/test_images.h"
#include "shared_data.h"

using namespace amnet;
using test_images::TemporaryFolder;

namespace {

constexpr ImageFormat small{.height = 8, .width = 6};

struct Expected {
  Problem problem;
  std::int64_t line;
  std::string_view text;
};

}  // namespace

TEST_CASE("check: every kind of bad file is reported with its line", "[check]") {
  const TemporaryFolder folder;
  const auto write = [&](const char* name, std::uint64_t seed) {
    const test_images::Bytes bytes = encode_jpeg(test_images::picture(8, 6, seed), ChannelOrder::rgb, 90);
    folder.write(name, bytes);
    return bytes;
  };
  const auto first = write("a/1.jpg", 1);
  write("a/2.jpg", 2);
  write("b/1.jpg", 3);
  folder.write("b/cut.jpg", test_images::Bytes(first.begin(), first.end() - 9));
  folder.write("b/zero.jpg", "");
  folder.write("b/text.jpg", "no image");
  folder.write("b/big.jpg", encode_jpeg(test_images::picture(16, 12), ChannelOrder::rgb, 90));
  folder.write("c/copy.jpg", first);
  const auto list_file = folder.write("list.txt",
                                      "a/1.jpg 0\na/2.jpg 0\nb/1.jpg 1\nb/cut.jpg 1\nb/zero.jpg 1\nb/text.jpg 1\nb/big.jpg 1\n"
                                      "c/copy.jpg 3\na/1.jpg 0\nc/gone.jpg 3\nc/gone.jpg 3\n");
  const FaceList list = read_face_list(list_file, folder.path());
  for (const int workers : {1, 3}) {
    std::int64_t last_done = 0;
    const CheckReport report = check_data(list, small, {.workers = workers, .progress = [&](std::int64_t done, std::int64_t total) {
                                                          CHECK((done > last_done && total == 11));
                                                          last_done = done;
                                                        }});
    CHECK(last_done == 11);
    CHECK(report.images == 11);
    CHECK(report.good == 3);
    CHECK((report.classes == 4 && report.identities == 3 && report.single_images == 0));
    CHECK((report.fewest == 3 && report.median == 3 && report.most == 5));
    CHECK((report.unused.count == 1 && report.unused.first.front() == 2));
    const std::vector<Expected> expected{{Problem::damaged, 4, "truncated or damaged JPEG"},
                                         {Problem::unreadable, 5, "is empty"},
                                         {Problem::damaged, 6, "is not an image"},
                                         {Problem::wrong_size, 7, "is 16x12 pixels"},
                                         {Problem::duplicate, 8, "under another label (3 here, 0 there)"},
                                         {Problem::listed_twice, 9, "list.txt:1: "},
                                         {Problem::unreadable, 10, "is not there"},
                                         {Problem::unreadable, 11, "is not there"},
                                         {Problem::listed_twice, 11, "list.txt:10: "}};
    REQUIRE(report.findings.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const Finding& finding = report.findings[i];
      CHECK(finding.problem == expected[i].problem);
      CHECK(list.line(finding.image) == expected[i].line);
      CHECK(finding.message.starts_with(list_file.string() + ":" + std::to_string(expected[i].line) + ": "));
      CHECK(finding.message.find(expected[i].text) != std::string::npos);
    }
    CHECK(report.count(Problem::unreadable) == 3);
    CHECK(report.findings[4].other == 0);
  }
}

TEST_CASE("check: a warning that leaves the pixels whole is counted and is no finding", "[check]") {
  const TemporaryFolder folder;
  for (int i = 0; i < 3; ++i) {
    test_images::Bytes bytes = encode_jpeg(test_images::picture(8, 6, static_cast<std::uint64_t>(i)), ChannelOrder::rgb, 90);
    if (i > 0) bytes.insert(bytes.end() - 2, 30, std::byte{0});
    folder.write("a/" + std::to_string(i) + ".jpg", bytes);
  }
  const CheckReport report = check_data(list_folder(folder.path()), small);
  CHECK((report.good == 3 && report.warned == 2 && report.findings.empty()));
}

TEST_CASE("check: an error in the progress callback comes out and leaves no thread behind", "[check]") {
  const TemporaryFolder folder;
  folder.write("a/1.png", test_images::png_of(test_images::picture(8, 6)));
  FaceList list(folder.path());
  for (int i = 0; i < 1000; ++i) list.add("a/1.png");
  struct Stop {};
  CHECK_THROWS_AS(check_data(list, small, {.progress = [](std::int64_t, std::int64_t) { throw Stop(); }}), Stop);
}

TEST_CASE("check: the real faces are all good", "[check]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("check: the real faces are all good");
  const auto root = *shared / "data/faces";
  const CheckReport report = check_data(read_face_list(root / "heldout_list.txt", root), {});
  CHECK((report.images == 1123 && report.identities == 462));
  for (const Finding& finding : report.findings) UNSCOPED_INFO(finding.message);
  CHECK(report.good == report.images);
}
