#include <amnet/core/error.h>
#include <amnet/faces/face_list.h>

#include "catch.h"
#include "data/test_images.h"

#include <fmt/format.h>

#include <chrono>

using namespace amnet;
using test_images::TemporaryFolder;

namespace {

FaceList read(const TemporaryFolder& folder, std::string_view text, ListOptions options = {}) {
  return read_face_list(folder.write("list.txt", text), folder.path(), options);
}

/// The error message of reading the list, without the folder's name at the beginning.
std::string refusal(const TemporaryFolder& folder, std::string_view text, ListOptions options = {}) {
  try {
    read(folder, text, options);
    return "nothing";
  } catch (const DataError& error) {
    std::string what = error.what();
    const std::string path = folder.path().string() + "/";
    for (auto at = what.find(path); at != std::string::npos; at = what.find(path)) what.erase(at, path.size());
    return what;
  }
}

}  // namespace

TEST_CASE("face list: an image takes 16 bytes and its path, and copies share their images until one is changed", "[list]") {
  FaceList list("faces");
  for (int i = 0; i < 1000; ++i) list.add("ann/" + std::to_string(1000 + i) + ".jpg", i % 7);
  CHECK(list.bytes() == 1000 * (16 + 12));
  FaceList copy = list;
  CHECK(copy.path(999).data() == list.path(999).data());
  copy.add("ben/1.jpg", 9);
  CHECK((list.size() == 1000 && list.classes() == 7));
  CHECK((copy.size() == 1001 && copy.classes() == 10 && copy.path(999) == list.path(999) && copy.path(1000) == "ben/1.jpg"));
  FaceList third = list;
  third.remove_classes({3});
  CHECK((list.label(6) == 6 && third.label(6) == 5));
}

TEST_CASE("face_list: paths, labels and lines of an ordinary list", "[face_list]") {
  const TemporaryFolder folder;
  const FaceList list = read(folder, "train/ann/01.jpg 0\ntrain/bob/1.jpg 2\n\nx.jpg 1");
  REQUIRE(list.size() == 3);
  CHECK(list.path(1) == "train/bob/1.jpg");
  CHECK(list.label(1) == 2);
  CHECK(list.line(2) == 4);
  CHECK(list.classes() == 3);
  CHECK(list.identity(0) == "ann");
  CHECK(list.identity(2).empty());
  CHECK(list.file(0) == folder.path() / "train/ann/01.jpg");
  CHECK(list.where(2) == (folder.path() / "list.txt").string() + ":4: " + (folder.path() / "x.jpg").string());
}

TEST_CASE("face_list: byte order mark, CRLF, tabs, blank lines and spaces in paths", "[face_list]") {
  const TemporaryFolder folder;
  const FaceList list = read(folder, "\xEF\xBB\xBFthe folder/my photo 3.jpg 5\r\n\r\n \t\r\ntab\there.jpg\t4\r\nwide.jpg   7  \r\n");
  REQUIRE(list.size() == 3);
  CHECK(list.path(0) == "the folder/my photo 3.jpg");
  CHECK(list.label(0) == 5);
  CHECK(list.path(1) == "tab\there.jpg");
  CHECK(list.label(1) == 4);
  CHECK(list.path(2) == "wide.jpg");
  CHECK(list.label(2) == 7);
  CHECK(list.line(2) == 5);
}

TEST_CASE("face_list: a label that cannot be meant is refused with its line", "[face_list]") {
  const TemporaryFolder folder;
  CHECK(refusal(folder, "a.jpg 0\nb.jpg\n").starts_with("list.txt:2: expected `path label` but the label of `b.jpg` is missing"));
  CHECK(refusal(folder, "a.jpg 0\n\n 3\n").starts_with("list.txt:3: expected `path label` but the path is missing"));
  CHECK(refusal(folder, "a.jpg -1\n").starts_with("list.txt:1: expected a label >= 0 but got -1"));
  CHECK(refusal(folder, "a.jpg one\n").starts_with("list.txt:1: expected an integer label after the last space but got `one`"));
  for (const char* text : {"1.0", "1e3", "+1", "0x1", "1,", "nan", "-"}) {
    CHECK(refusal(folder, fmt::format("a.jpg {}\n", text)).starts_with("list.txt:1: expected an integer label"));
  }
  CHECK(refusal(folder, "my photo.jpg\n")
            .starts_with("list.txt:1: expected an integer label after the last space but got `photo.jpg` in `my photo.jpg`"));
  CHECK(refusal(folder, "a.jpg 2147483648\n").starts_with("list.txt:1: expected a label below 2^31"));
  CHECK(refusal(folder, "a.jpg 99999999999999999999999\n").starts_with("list.txt:1: expected a label below 2^31"));
  CHECK(refusal(folder, "a.jpg -99999999999999999999999\n").starts_with("list.txt:1: expected a label >= 0"));
  CHECK(read(folder, "a.jpg 2147483647\n").classes() == 2147483648);
}

TEST_CASE("face_list: what is no list is refused", "[face_list]") {
  const TemporaryFolder folder;
  CHECK(refusal(folder, "").starts_with("the list list.txt names no image"));
  CHECK(refusal(folder, "\xEF\xBB\xBF\n\r\n").starts_with("the list list.txt names no image"));
  CHECK(refusal(folder, std::string("a\0.\0j\0p\0g\0 \0001\0", 14)).starts_with("list.txt:1: the line holds a zero byte"));
  CHECK(refusal(folder, "a.jpg 0\n" + std::string(70000, 'x')).starts_with("list.txt:2: the line is longer than"));
  CHECK_THROWS_AS(read_face_list(folder.path() / "none.txt", folder.path()), DataError);
  CHECK_THROWS_AS(read_face_list(folder.path(), folder.path()), DataError);
  CHECK_THROWS_AS(read_face_list(folder.write("l.txt", "a 0\n"), folder.path() / "nowhere"), DataError);
}

TEST_CASE("face_list: .classes is the number of classes, or names the first line beyond it", "[face_list]") {
  const TemporaryFolder folder;
  CHECK(read(folder, "a.jpg 0\nb.jpg 3\n", {.classes = 10}).classes() == 10);
  CHECK(read(folder, "a.jpg 0\nb.jpg 3\n", {.classes = 4}).classes() == 4);
  const std::string what = refusal(folder, "a.jpg 0\nb.jpg 3\n", {.classes = 3});
  CHECK(what.starts_with("list.txt:2: "));
  CHECK(what.find("at least 4") != std::string::npos);
  CHECK_THROWS_AS(read(folder, "a.jpg 0\n", {.classes = -1}), UsageError);
}

TEST_CASE("face_list: labels nobody has are counted and the first named", "[face_list]") {
  const TemporaryFolder folder;
  const UnusedLabels from_one = unused_labels(read(folder, "a.jpg 1\nb.jpg 2\nc.jpg 1\n"));
  CHECK((from_one.count == 1 && from_one.first == std::vector<std::int64_t>{0}));
  CHECK(unused_labels(read(folder, "a.jpg 1\nb.jpg 0\n")).count == 0);
  const UnusedLabels holes = unused_labels(read(folder, "a.jpg 1\nb.jpg 5\n", {.classes = 8}));
  CHECK((holes.count == 6 && holes.first == std::vector<std::int64_t>{0, 2, 3, 4, 6, 7}));
  const UnusedLabels many = unused_labels(read(folder, "a.jpg 2147483647\n"));
  CHECK((many.count == 2147483647 && many.first.size() == 10));
}

TEST_CASE("face_list: several lists are one, with other people in each", "[face_list]") {
  const TemporaryFolder folder;
  const auto a = folder.write("a.txt", "ann/1.jpg 0\nann/2.jpg 0\nben/1.jpg 2\n");
  const auto b = folder.write("b.txt", "\ncid/1.jpg 1\ndan/1.jpg 0\n");
  const auto c = folder.write("c.txt", "ann/1.jpg 0\n");
  std::filesystem::create_directories(folder.path() / "other");
  const std::filesystem::path root = folder.path(), other = root / "other";
  const FaceList list = read_face_lists({a, b, c}, {root, root, other});
  REQUIRE((list.size() == 6 && list.classes() == 6 && list.parts().size() == 3));
  std::vector<std::int64_t> labels;
  for (std::int64_t i = 0; i < 6; ++i) labels.push_back(list.label(i));
  CHECK(labels == std::vector<std::int64_t>{0, 0, 2, 4, 3, 5});
  CHECK(list.where(1) == a.string() + ":2: " + (root / "ann/2.jpg").string());
  CHECK(list.where(3) == b.string() + ":2: " + (root / "cid/1.jpg").string());
  CHECK(list.where(5) == c.string() + ":1: " + (other / "ann/1.jpg").string());
  CHECK((list.path(5) == "ann/1.jpg" && list.images(5).place() == other && list.images(4).place() == root));
  CHECK(label_table(list) == "label,label_in_list,list\n0,0,1\n1,1,1\n2,2,1\n3,0,2\n4,1,2\n5,0,3\n");
  const UnusedLabels unused = unused_labels(list);
  CHECK((unused.count == 1 && unused.first == std::vector<std::int64_t>{1}));

  const FaceList renumbered = read_face_lists({a, b}, {root}, {.relabel = true});
  CHECK(label_table(renumbered) == "label,label_in_list,list\n0,0,1\n1,2,1\n2,0,2\n3,1,2\n");
  CHECK(read_face_lists({a, b}, {root}, {.classes = 7}).classes() == 7);
  CHECK_THROWS_WITH(read_face_lists({a, b}, {root}, {.classes = 4}), Catch::StartsWith(b.string() + ":2: "));
  // a list of its own is as it was
  CHECK((label_table(read_face_lists({a}, {root})).empty() && read_face_lists({a}, {root}).classes() == 3));
  CHECK_THROWS_AS(read_face_lists({a, b, c}, {root, root}), UsageError);
  CHECK_THROWS_AS(read_face_lists({}, {root}), UsageError);
}

TEST_CASE("face_list: a name to exclude may be in one of the lists alone", "[face_list]") {
  const TemporaryFolder folder;
  const auto a = folder.write("a.txt", "ann/1.jpg 0\nben/1.jpg 1\n"), b = folder.write("b.txt", "cid/1.jpg 0\ndan/1.jpg 1\n");
  const FaceList list = read_face_lists({a, b}, {folder.path()}, {.exclude = folder.write("out.txt", "ben\ncid\neve\n")});
  CHECK((list.size() == 2 && list.classes() == 2 && list.label(1) == 1));
  CHECK((list.notes().excluded_images == 2 && list.notes().excluded_identities == 2));
  CHECK(list.notes().unmatched_exclusions.examples == std::vector<std::string>{"eve"});
}

TEST_CASE("face_list: a person's folder in two lists is refused", "[face_list]") {
  const TemporaryFolder folder;
  const auto a = folder.write("a.txt", "train/ann/1.jpg 0\ntrain/ben/1.jpg 1\n");
  const auto b = folder.write("b.txt", "cid/1.jpg 0\nann/2.jpg 1\n");
  std::filesystem::create_directories(folder.path() / "train");
  const std::filesystem::path root = folder.path();
  CHECK_THROWS_WITH(read_face_lists({a, b}, {root, root / "train"}),
                    b.string() + ":2: " + (root / "train/ann/2.jpg").string() + ": the person of this folder is also that of " +
                        a.string() + ":1: " + (root / "train/ann/1.jpg").string() +
                        " but people of different lists are different people; keep the folder in one of the lists.");
  CHECK_THROWS_AS(read_face_lists({a, a}, {root}), DataError);
  // images without a folder have only their labels
  const auto flat = folder.write("flat.txt", "1.jpg 0\n"), more = folder.write("more.txt", "2.jpg 0\n");
  CHECK(read_face_lists({flat, more}, {root}).classes() == 2);
}

TEST_CASE("face_list: excluded identities leave no class behind", "[face_list]") {
  const TemporaryFolder folder;
  const auto names = folder.write("names.txt",
                                  "\xEF\xBB\xBF"
                                  "bob\r\n\nzoe\n  eve jones \n");
  const FaceList list = read(folder, "a/ann/1.jpg 0\na/bob/1.jpg 1\na/bob/2.jpg 1\na/cat/1.jpg 4\na/eve jones/1.jpg 5\na/dan/bob.jpg 2\n",
                             {.exclude = names});
  REQUIRE(list.size() == 3);
  // 1 and 5 are removed; 3 had no images and stays
  CHECK((list.label(0) == 0 && list.label(1) == 3 && list.label(2) == 1));
  CHECK(list.classes() == 4);
  CHECK(unused_labels(list).first == std::vector<std::int64_t>{2});
  CHECK(list.line(1) == 4);
  CHECK(list.notes().excluded_images == 3);
  CHECK(list.notes().excluded_identities == 2);
  CHECK(list.notes().unmatched_exclusions.examples == std::vector<std::string>{"zoe"});
  CHECK(refusal(folder, "a/bob/1.jpg 0\n", {.exclude = names}).find("names no image that is not excluded") != std::string::npos);
  CHECK_THROWS_AS(read(folder, "a/bob/1.jpg 0\n", {.exclude = folder.path() / "none.txt"}), DataError);
}

TEST_CASE("face_list: a label that others still wear keeps its class", "[face_list]") {
  const TemporaryFolder folder;
  const auto names = folder.write("names.txt", "bob\n");
  const FaceList list = read(folder, "bob/1.jpg 1\nrob/1.jpg 1\nann/1.jpg 0\n", {.exclude = names});
  CHECK((list.size() == 2 && list.classes() == 2 && list.label(0) == 1));
}

TEST_CASE("face_list: a folder with one sub-folder per identity", "[face_list]") {
  const TemporaryFolder folder;
  for (const char* name : {"bob/2.jpg", "bob/10.JPG", "ann b/1.png", "bob/notes.txt", "cat/readme.md", "stray.jpg", "dan/x.pgm",
                           ".hidden/1.jpg", "bob/deeper/1.jpg"}) {
    folder.write(name, "x");
  }
  const FaceList list = list_folder(folder.path());
  REQUIRE(list.size() == 4);
  CHECK(list.path(0) == "ann b/1.png");
  CHECK(list.path(1) == "bob/10.JPG");
  CHECK(list.path(2) == "bob/2.jpg");
  CHECK(list.path(3) == "dan/x.pgm");
  CHECK((list.label(0) == 0 && list.label(1) == 1 && list.label(2) == 1 && list.label(3) == 2));
  CHECK(list.classes() == 3);
  CHECK(list.where(3) == (folder.path() / "dan/x.pgm").string());
  const ListNotes& notes = list.notes();
  CHECK(notes.other_files.examples == std::vector<std::string>{"bob/notes.txt", "cat/readme.md"});
  CHECK(notes.hidden.examples == std::vector<std::string>{".hidden"});
  CHECK(notes.nested_folders.examples == std::vector<std::string>{"bob/deeper"});
  CHECK(notes.misplaced_pictures.examples == std::vector<std::string>{"bob/deeper/1.jpg", "stray.jpg"});
  CHECK(notes.empty_people.examples == std::vector<std::string>{"cat"});
  CHECK((notes.unread_pictures.count == 0 && notes.left_out_pictures() == 2));

  const FaceList without = list_folder(folder.path(), {.exclude = folder.write("names.txt", "bob\nbobby\n")});
  CHECK((without.size() == 2 && without.classes() == 2 && without.label(1) == 1));
  CHECK(without.notes().excluded_images == 2);
  CHECK(without.notes().unmatched_exclusions.examples == std::vector<std::string>{"bobby"});

  CHECK_THROWS_AS(list_folder(folder.path() / "cat"), DataError);
  CHECK_THROWS_AS(list_folder(folder.path() / "nowhere"), DataError);
  CHECK_THROWS_AS(list_folder(folder.path(), {.classes = 2}), DataError);
}

TEST_CASE("face_list: what a folder holds besides is told, and a picture of another kind is told as one", "[face_list]") {
  const TemporaryFolder folder;
  for (int i = 0; i < 7; ++i) folder.write(fmt::format("ann/{}.heic", i), "x");
  for (const char* name : {"ann/1.jpg", "ann/._1.jpg", "ann/.DS_Store", "bob/1.AVIF", "cy/a.webp", "cy/a.jfif"}) folder.write(name, "x");
  folder.write("cy/photo", "\xFF\xD8\xFF\xE0 and so on");
  folder.write("cy/README", "what this is");
  const FaceList list = list_folder(folder.path());
  REQUIRE(list.size() == 3);
  CHECK(list.path(0) == "ann/1.jpg");
  CHECK(list.path(1) == "cy/a.jfif");
  CHECK((list.label(2) == 1 && list.classes() == 2));
  CHECK(list.notes().unread_pictures.count == 8);
  CHECK(list.notes().unread_pictures.examples.size() == 5);
  const std::vector<std::string> lines = sentences_of(list.notes());
  REQUIRE(lines.size() == 5);
  CHECK(lines[0] == "Left out: 8 pictures of a kind that amnet does not read (convert to JPEG, PNG or WebP), such as ann/0.heic");
  CHECK(lines[1] == "Left out: 1 picture without an ending such as .jpg in the name, such as cy/photo");
  CHECK(lines[2] == "Left out: 1 person without a picture that can be used: bob");
  CHECK(lines[3] == "Ignored 1 file that is no image, such as cy/README");
  CHECK(list.notes().left_out_pictures() == 9);
  CHECK(lines[4] == "Ignored 2 hidden files, such as ann/.DS_Store");
  CHECK(sentences_of(ListNotes{}).empty());

  // Where nothing is left, the message states what is there instead.
  using Catch::Matchers::Contains;
  folder.write("apple/x/1.heic", "x");
  CHECK_THROWS_WITH(list_folder(folder.path() / "apple"), Contains("holds no images that amnet reads, but 1") && Contains("x/1.heic"));
  folder.write("above/train/ann/1.jpg", "x");
  CHECK_THROWS_WITH(list_folder(folder.path() / "above"), Contains("1 elsewhere, such as train/ann/1.jpg"));
  CHECK_THROWS_WITH(list_folder(folder.path() / "above/train/ann"), Contains("it holds images itself"));
}

TEST_CASE("face_list: a hundred thousand lines take well under a second", "[face_list]") {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += fmt::format("train/person_{:05d}/{:05d}.jpg {}\n", i / 10, i, i / 10);
  const auto file = folder.write("big.txt", text);
  const auto before = std::chrono::steady_clock::now();
  const FaceList list = read_face_list(file, folder.path());
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(1));
  CHECK((list.size() == 100'000 && list.classes() == 10'000));
  CHECK(list.path(99'999) == "train/person_09999/99999.jpg");
  CHECK(unused_labels(list).count == 0);
}
