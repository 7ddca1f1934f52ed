#include <amnet/core/error.h>
#include <amnet/faces/pairs.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "catch.h"
#include "shared_data.h"

using namespace amnet;
namespace fs = std::filesystem;

namespace {

/// A folder that is removed together with this object.
struct Scratch {
  fs::path path = fs::temp_directory_path() / ("amnet_pairs_" + std::to_string(::getpid()));
  Scratch() { fs::create_directories(path); }
  ~Scratch() { fs::remove_all(path); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  fs::path file(const std::string& name, std::string_view text) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name, std::ios::binary) << text;
    return path / name;
  }
};

std::string refusal(const Scratch& scratch, std::string_view text) {
  const fs::path list = scratch.file("list.txt", text);
  try {
    read_pairs(list);
  } catch (const DataError& error) {
    const std::string what = error.what();
    REQUIRE(what.starts_with(list.string() + ":"));
    return what.substr(list.string().size());
  }
  return "no refusal";
}

constexpr std::string_view good =
    "2\t1\n"
    "Ann\t1\t2\n"
    "Ann\t2\tBob\t1\n"
    "Bob\t1\t12345\n"
    "Cy\t3\tAnn\t1\n";

}  // namespace

TEST_CASE("pairs: a list is read in its order, each image and person once", "[pairs]") {
  const Scratch scratch;
  const Pairs pairs = read_pairs(scratch.file("list.txt", good));
  CHECK(pairs.folds == 2);
  CHECK(pairs.images == std::vector<std::string>{"Ann/Ann_0001", "Ann/Ann_0002", "Bob/Bob_0001", "Bob/Bob_12345", "Cy/Cy_0003"});
  CHECK(pairs.names == std::vector<std::string>{"Ann", "Bob", "Cy"});
  CHECK(pairs.people == std::vector<std::int32_t>{0, 0, 1, 1, 2});
  CHECK(pairs.lines == std::vector<std::int64_t>{2, 2, 3, 4, 5});
  CHECK(pairs.pairs == std::vector<Pair>{{0, 1, true, 0}, {1, 2, false, 0}, {2, 3, true, 1}, {4, 0, false, 1}});
}

TEST_CASE("pairs: byte-order mark, CRLF, blanks for tabs, spaces in names and a missing last newline change nothing", "[pairs]") {
  const Scratch scratch;
  const Pairs plain = read_pairs(scratch.file("list.txt", good));
  std::string text = "\xEF\xBB\xBF" + std::string(good);
  std::string crlf;
  for (const char c : text) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  std::string blanks(good.substr(0, good.size() - 1));
  std::replace(blanks.begin(), blanks.end(), '\t', ' ');
  std::string spread("\n");  // blank lines before, between and after
  for (const char c : good) spread += c == '\n' ? std::string("\n \t\r\n\n") : std::string(1, c);
  for (const std::string& variant : {crlf, blanks, spread, std::string(good) + "\n\r\n  \n"}) {
    const Pairs pairs = read_pairs(scratch.file("list.txt", variant));
    CHECK(pairs.images == plain.images);
    CHECK(pairs.pairs == plain.pairs);
  }
  const Pairs spaced = read_pairs(scratch.file("list.txt", "2\t1\nAnn Lee\t1\t2\nAnn Lee\t1\tBob\t1\nBob\t1\t2\nBob\t1\tAnn Lee\t2\n"));
  CHECK(spaced.images.front() == "Ann Lee/Ann Lee_0001");
}

TEST_CASE("pairs: whatever is not a list is refused with file, line and what was expected", "[pairs]") {
  const Scratch scratch;
  using Catch::Matchers::Contains;
  using Catch::Matchers::StartsWith;
  struct Case {
    std::string_view text, line, says;
  };
  const Case cases[] = {
      {"", ":1:", "folds<TAB>pairs"},
      {"\n", ":1:", "folds<TAB>pairs"},
      {"ten\t1\n", ":1:", "`ten 1`"},
      {"300\n", ":1:", "`300`"},
      {"-2\t1\n", ":1:", "folds<TAB>pairs"},
      {"2\t1.5\n", ":1:", "folds<TAB>pairs"},
      {"1\t1\nAnn\t1\t2\nAnn\t1\tBob\t1\n", ":1:", "at least 2 folds"},
      {"2\t0\n", ":1:", "at least 1 pair"},
      {"9000000000000000000\t9000000000000000000\n", ":1:", "more than"},
      {"99999999999999999999\t1\n", ":1:", "folds<TAB>pairs"},
      {"2\t1\nAnn\t1\t2\n", ":3:", "nameA<TAB>i<TAB>nameB<TAB>j` (fold 1 of 2) but the list ends"},
      {"2\t1\nAnn\t1\tBob\t2\n", ":2:", "a pair of one person, fold 1 of 2"},
      {"2\t1\nAnn\t1\t2\nAnn\t1\t2\n", ":3:", "a pair of two people"},
      {"2\t1\n\nAnn\t1\t2\n", ":4:", "but the list ends"},
      {"2\t1\nAnn Lee 1 2\n", ":2:", "found `Ann Lee 1 2`; a name with spaces needs tabs"},
      {"2\t1\nAnn\t1\t2\nAnn Lee 1 2\n", ":3:", "found `Lee` in `Ann Lee 1 2`; a name with spaces needs tabs"},
      {"2\t1\nann\\bob\t1\t2\n", ":2:", "`ann\\bob`; it has backslashes"},
      {"2\t1\nAnn\tone\t2\n", ":2:", "number of an image (0 or more) but found `one`"},
      {"2\t1\nAnn\t1\t-2\n", ":2:", "number of an image"},
      {"2\t1\nAnn\t1\t99999999999999999999\n", ":2:", "number of an image"},
      {"2\t1\nAnn\t1\t01\n", ":2:", "with itself"},
      {"2\t1\nAnn\t1\t2\nAnn\t1\tAnn\t2\n", ":3:", "one person twice"},
      {"2\t1\n../Ann\t1\t2\n", ":2:", "a person's name"},
      {"2\t1\n..\t1\t2\n", ":2:", "a person's name"},
      {"2\t1\nAnn\t1\t2\nAnn\t1\tBob\t1\nBob\t1\t2\nAnn\t1\tBob\t2\nBob\t1\t3\n", ":6:", "the 2 folds of 1 + 1 pairs"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const std::string what = refusal(scratch, c.text);
    CHECK_THAT(what, StartsWith(std::string(c.line)) && Contains(std::string(c.says)));
  }
  CHECK_THAT(refusal(scratch, std::string_view("2\t1\nA\0n\t1\t2\n", 11)), StartsWith(":2:"));
  CHECK_THAT(refusal(scratch, std::string(100000, 'x')), StartsWith(":1:"));
  CHECK_THROWS_AS(read_pairs(scratch.path / "absent.txt"), DataError);
  CHECK_THROWS_AS(read_pairs(scratch.path), DataError);
}

TEST_CASE("pairs: images are found under the root with any ending in any case, and a missing one is named with its line", "[pairs]") {
  using Catch::Matchers::Contains;
  using Catch::Matchers::StartsWith;
  const Scratch scratch;
  const fs::path list = scratch.file("list.txt", good), root = scratch.path / "root";
  for (const char* image : {"Ann/Ann_0001.JPG", "Ann/Ann_0001.png", "Ann/Ann_0002.PNG", "Ann/Ann_0002.Jpg", "Ann/._Ann_0002.jpg",
                            "Bob/Bob_0001.JpEg", "Bob/Bob_12345.WEBP", "Bob/bob_0001.jpg", "Bob/Bob_0001.txt", "Cy/Cy_00030.jpg"}) {
    scratch.file(std::string("root/") + image, "");
  }
  CHECK_THROWS_WITH(read_pairs(list, root), StartsWith(list.string() + ":5:") && Contains("Cy/Cy_0003.jpg") && Contains(".webp"));
  scratch.file("root/Cy/cy_0003.JPG", "");
  CHECK_THROWS_WITH(read_pairs(list, root), StartsWith(list.string() + ":5:") && Contains("there is `Cy/cy_0003.JPG`"));
  std::vector<std::string> found = {"Ann/Ann_0001.JPG", "Ann/Ann_0002.Jpg", "Bob/Bob_0001.JpEg", "Bob/Bob_12345.WEBP", "Cy/Cy_0003.jpg"};
  CHECK(read_pairs(list, root, BadImages::skip).images == found);
  found.back() = "Cy/Cy_0003.BMP";
  scratch.file("root/" + found.back(), "");
  CHECK(read_pairs(list, root).images == found);
  // Where two names differ only in the case of the ending, the one in lower case is used.
  found.front() = "Ann/Ann_0001.jpg";
  scratch.file("root/" + found.front(), "");
  CHECK(read_pairs(list, root).images == found);
  fs::rename(root / "Bob", root / "bob");  // another person
  CHECK_THROWS_WITH(read_pairs(list, root), StartsWith(list.string() + ":3:") && Contains("there is `bob/"));
  CHECK_THROWS_WITH(read_pairs(list, scratch.path / "nowhere"), Contains("nowhere: expected the folder of the images"));
}

TEST_CASE("pairs: the shared lists are read whole", "[pairs][shared]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("pairs: the shared lists are read whole");
  const Pairs lfw = read_pairs(*shared / "data/lfw/pairs.txt");
  CHECK(lfw.folds == 10);
  CHECK(lfw.pairs.size() == 6000);
  CHECK(lfw.images.size() == 7701);
  const Pairs faces = read_pairs(*shared / "data/faces/heldout_pairs.txt", *shared / "data/faces/heldout");
  CHECK(faces.pairs.size() == 2100);
  CHECK(std::count_if(faces.pairs.begin(), faces.pairs.end(), [](const Pair& pair) { return pair.same; }) == 1050);
}

TEST_CASE("pairs: images are found wherever they lie, and named by the place", "[pairs]") {
  /// Knows only names.
  struct Names final : ImageSource {
    explicit Names(std::vector<std::string> known) : ImageSource("some.pack"), names(std::move(known)) {}
    bool contains(std::string_view name) const override { return std::ranges::find(names, name) != names.end(); }
    void for_each_file_in(const std::unordered_set<std::string>& folders,
                          const std::function<void(std::string_view)>& found) const override {
      for (const std::string& name : names) {
        if (folders.contains(name.substr(0, name.rfind('/')))) found(name);
      }
    }
    std::string alike(std::string_view) const override { return {}; }
    std::span<const std::byte> read(std::string_view, std::string_view, std::vector<std::byte>&) const override { return {}; }
    void prefetch(std::string_view) const override {}
    std::vector<std::string> names;
  };
  const Scratch scratch;
  const fs::path list = scratch.file("list.txt", good);
  const std::vector<std::string> images{"Ann/Ann_0001.jpg", "Ann/Ann_0002.png", "Bob/Bob_0001.JPG", "Bob/Bob_12345.pgm", "Cy/Cy_0003.jpeg"};
  CHECK(read_pairs(list, Names(images)).images == images);
  try {
    read_pairs(list, Names({images[0], images[1], images[2], images[3]}));
    FAIL("an image was found that is not there");
  } catch (const DataError& error) {
    CHECK(std::string(error.what()).starts_with(list.string() + ":5: "));
    CHECK(std::string(error.what()).find("some.pack/Cy/Cy_0003.jpg") != std::string::npos);
  }
}
