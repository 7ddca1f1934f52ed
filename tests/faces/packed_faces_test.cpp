#include <amnet/faces/check.h>
#include <amnet/faces/packed_faces.h>

#include "catch.h"
#include "data/test_images.h"
#include "faces/content_hash.h"
#include "shared_data.h"

#include <algorithm>
#include <map>
#include <set>

using namespace amnet;
using namespace test_images;

namespace {

constexpr ImageFormat small{.height = 8, .width = 6};

/// `images` JPEG files of three per identity, all different.
FaceList write_faces(const TemporaryFolder& folder, int images) {
  for (int i = 0; i < images; ++i) {
    const Image image = picture(small.height, small.width, static_cast<std::uint64_t>(i) + 1);
    folder.write("faces/p" + std::to_string(10 + i / 3) + "/" + std::to_string(10 + i) + ".jpg", encode_jpeg(image, ChannelOrder::rgb, 90));
  }
  return list_folder(folder.path() / "faces");
}

Bytes packed_bytes(const FaceList& list, PackOptions options = {}) {
  options.format = small;
  Bytes bytes;
  const PackSummary summary =
      write_packed_faces(list, options, [&](std::span<const std::byte> piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); });
  CHECK(summary.bytes == bytes.size());
  return bytes;
}

FaceList open_list(const std::filesystem::path& file, const ListOptions& options = {}) {
  return list_packed(std::make_shared<PackedFaces>(file), options);
}

/// The error message of opening a file; "" when it opens.
std::string refusal(const std::filesystem::path& file) {
  try {
    const PackedFaces pack(file);
    return "";
  } catch (const DataError& error) {
    const std::string what = error.what();
    CHECK(what.starts_with(file.string() + " "));
    CHECK(what.ends_with("."));
    CHECK(what.find(". ") == std::string::npos);
    return what;
  }
}

Bytes file_bytes(const FaceList& list, std::int64_t i) {
  Bytes buffer;
  const auto bytes = list.images(i).read(list.path(i), list.where(i), buffer);
  return {bytes.begin(), bytes.end()};
}

std::vector<std::uint8_t> all_bytes(const FaceBatch& batch) {
  std::vector<std::uint8_t> bytes;
  for (const Tensor* tensor : {&batch.pixels, &batch.mirrored, &batch.labels}) {
    const auto* begin = reinterpret_cast<const std::uint8_t*>(tensor->raw());
    bytes.insert(bytes.end(), begin, begin + tensor->size_bytes());
  }
  return bytes;
}

std::uint64_t little(const Bytes& bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = count; i-- > 0;) value = value << 8 | std::to_integer<std::uint64_t>(bytes[at + i]);
  return value;
}
void set_little(Bytes& bytes, std::size_t at, std::size_t count, std::uint64_t value) {
  for (std::size_t i = 0; i < count; ++i) bytes[at + i] = static_cast<std::byte>(value >> (8 * i) & 0xFF);
}

/// Offsets in a packed file, according to the layout that the header documents.
struct Places {
  explicit Places(const Bytes& file) : foot(file.size() - 56), images(little(file, foot, 8)), index(little(file, foot + 8, 8)) {}
  std::size_t foot, images, index;
  std::size_t entry(std::size_t i) const { return index + 32 * i; }
  std::size_t paths() const { return entry(images); }
};

/// Makes both checksums right again, where index and foot can be found at all, as an attacker would
/// do.
void seal(Bytes& file, const Places& places) {
  const std::span<const std::byte> all(file);
  set_little(file, places.foot + 32, 8, content_checksum(all.subspan(places.index, places.foot - places.index)));
  Bytes ends(file.begin(), file.begin() + 16);
  ends.insert(ends.end(), file.begin() + static_cast<std::ptrdiff_t>(places.foot),
              file.begin() + static_cast<std::ptrdiff_t>(places.foot + 40));
  set_little(file, places.foot + 40, 8, content_checksum(ends));
}

}  // namespace

TEST_CASE("packed faces: the bytes of the files, their paths and labels come back", "[packed]") {
  const TemporaryFolder folder;
  write_faces(folder, 13);
  const auto list_file = folder.write("list.txt", "p11/15.jpg 4\np10/10.jpg 0\np14/22.jpg 2\np10/12.jpg 0\n");
  for (const FaceList& list : {list_folder(folder.path() / "faces"), read_face_list(list_file, folder.path() / "faces")}) {
    const auto file = folder.write("faces.pack", packed_bytes(list));
    const PackedFaces pack(file);
    const FaceList back = open_list(file);
    REQUIRE((pack.size() == list.size() && back.size() == list.size()));
    CHECK((pack.classes() == list.classes() && back.classes() == list.classes()));
    for (std::int64_t i = 0; i < list.size(); ++i) {
      CHECK((pack.path(i) == list.path(i) && back.path(i) == list.path(i)));
      CHECK((pack.label(i) == list.label(i) && back.label(i) == list.label(i)));
      CHECK(file_bytes(back, i) == read_image_file(list.file(i), "x"));
      CHECK(back.where(i) == (file / list.path(i)).string());
    }
    CHECK(pack.contains("p10/10.jpg"));
    CHECK(!pack.contains("p10/1"));
    CHECK(!pack.contains(""));
  }
}

TEST_CASE("packed faces: the file is laid out as the header says, for any number of workers", "[packed]") {
  const TemporaryFolder folder;
  const FaceList list = write_faces(folder, 200);
  const Bytes file = packed_bytes(list, {.workers = 1});
  for (const int workers : {2, 5}) CHECK(packed_bytes(list, {.workers = workers}) == file);

  CHECK(std::equal(file.begin(), file.begin() + 8, bytes_of("AMNETPAK").begin()));
  CHECK((little(file, 8, 4) == 1 && little(file, 12, 4) == 0));
  const Places places(file);
  CHECK(places.images == 200);
  CHECK(std::equal(file.end() - 8, file.end(), bytes_of("AMNETEND").begin()));
  CHECK(little(file, places.foot + 16, 8) == places.foot - places.paths());
  CHECK(little(file, places.foot + 24, 8) == 67);
  std::uint64_t offset = 16, path_at = 0;
  for (std::size_t i = 0; i < 200; ++i) {
    const auto image = static_cast<std::int64_t>(i);
    const Bytes bytes = read_image_file(list.file(image), "x");
    REQUIRE(little(file, places.entry(i), 8) == offset);
    REQUIRE(little(file, places.entry(i) + 24, 4) == bytes.size());
    REQUIRE(std::equal(bytes.begin(), bytes.end(), file.begin() + static_cast<std::ptrdiff_t>(offset)));
    REQUIRE(little(file, places.entry(i) + 8, 8) == content_checksum(bytes));
    REQUIRE(little(file, places.entry(i) + 28, 4) == i / 3);
    const std::string_view path = list.path(image);
    const Bytes name = bytes_of(path);
    REQUIRE(std::equal(name.begin(), name.end(), file.begin() + static_cast<std::ptrdiff_t>(places.paths() + path_at)));
    path_at += path.size();
    REQUIRE(little(file, places.entry(i) + 16, 8) == path_at);
    offset += bytes.size();
  }
  CHECK(offset == places.index);
}

TEST_CASE("packed faces: batches are those of the folder, also when a resume changes from one to the other", "[packed]") {
  const TemporaryFolder folder;
  const FaceList list = write_faces(folder, 13);
  const FaceList pack = open_list(folder.write("faces.pack", packed_bytes(list)));
  const LoaderOptions options{.batch = 5, .format = small, .seed = 7, .workers = 1, .queue = 3};
  std::vector<std::vector<std::uint8_t>> expected;
  Loader from_folder(list, options);
  for (int b = 0; b < 26; ++b) expected.push_back(all_bytes(from_folder.next()));  // 10 epochs
  for (const int workers : {1, 2, 8}) {
    LoaderOptions other = options;
    other.workers = workers;
    Loader from_pack(pack, other);
    for (const auto& bytes : expected) REQUIRE(all_bytes(from_pack.next()) == bytes);
  }
  bool packed = false;
  for (std::size_t b = 0; b + 4 <= expected.size(); packed = !packed) {
    LoaderOptions resumed = options;
    resumed.first_sample = static_cast<std::int64_t>(b) * options.batch;
    Loader loader(packed ? pack : list, resumed);
    for (const std::size_t end = b + 4; b < end; ++b) REQUIRE(all_bytes(loader.next()) == expected[b]);
  }
}

TEST_CASE("packed faces: the pack outlives the name it was opened by", "[packed]") {
  const TemporaryFolder folder;
  const FaceList list = write_faces(folder, 4);
  const auto file = folder.write("faces.pack", packed_bytes(list));
  const FaceList pack = open_list(file);
  // in the way a durable writer replaces it
  std::filesystem::rename(folder.write("other.pack", packed_bytes(write_faces(folder, 9))), file);
  for (std::int64_t i = 0; i < 4; ++i) CHECK(file_bytes(pack, i) == read_image_file(list.file(i), "x"));
  CHECK(open_list(file).size() == 9);
}

TEST_CASE("packed faces: excluding people gives the list that the folder gives", "[packed]") {
  const TemporaryFolder folder;
  const FaceList all = write_faces(folder, 13);
  const auto pack = folder.write("faces.pack", packed_bytes(all));
  for (const char* names : {"p10\n", "p12\nnobody\n", "p14\n", "p10\np13\np14\n"}) {
    const auto exclude = folder.write("exclude.txt", names);
    const FaceList expected = list_folder(folder.path() / "faces", {.exclude = exclude});
    const FaceList list = open_list(pack, {.exclude = exclude});
    REQUIRE((list.size() == expected.size() && list.classes() == expected.classes()));
    for (std::int64_t i = 0; i < list.size(); ++i) CHECK((list.path(i) == expected.path(i) && list.label(i) == expected.label(i)));
    CHECK(list.notes().excluded_images == expected.notes().excluded_images);
    CHECK(list.notes().unmatched_exclusions.examples == expected.notes().unmatched_exclusions.examples);
  }
  CHECK_THROWS_AS(open_list(pack, {.exclude = folder.write("all.txt", "p10\np11\np12\np13\np14\n")}), DataError);
  CHECK(open_list(pack, {.classes = 9}).classes() == 9);
  CHECK_THROWS_AS(open_list(pack, {.classes = 3}), DataError);
}

TEST_CASE("packed faces: bad images end the packing with their line, or are left out", "[packed]") {
  const TemporaryFolder folder;
  write_faces(folder, 9);
  folder.write("faces/p10/11.jpg", "");
  folder.write("faces/p12/18.jpg", encode_jpeg(picture(9, 6), ChannelOrder::rgb, 90));
  std::filesystem::remove(folder.path() / "faces/p12/17.jpg");
  std::filesystem::remove(folder.path() / "faces/p12/16.jpg");
  const auto list_file =
      folder.write("list.txt", "p10/10.jpg 0\np10/11.jpg 0\np10/12.jpg 0\np11/13.jpg 1\np12/16.jpg 2\np12/17.jpg 2\np12/18.jpg 2\n");
  const FaceList list = read_face_list(list_file, folder.path() / "faces");
  try {
    packed_bytes(list);
    FAIL("a bad image was packed");
  } catch (const DataError& error) {
    CHECK(std::string(error.what()).starts_with(list_file.string() + ":2: "));
    CHECK(std::string(error.what()).ends_with("11.jpg is empty."));
  }
  std::map<std::int64_t, std::string> told;
  std::int64_t last_done = 0;
  const Bytes bytes = packed_bytes(list, {.bad_images = BadImages::skip,
                                          .on_bad_image = [&](const BadImage& bad) { told.emplace(bad.image, bad.reason); },
                                          .progress = [&](std::int64_t done, std::int64_t) { last_done = done; }});
  CHECK((told.size() == 4 && last_done == 7));
  CHECK(told[6].find("9x6 pixels") != std::string::npos);
  const FaceList pack = open_list(folder.write("faces.pack", bytes));
  REQUIRE(pack.size() == 3);
  CHECK((pack.path(0) == "p10/10.jpg" && pack.path(1) == "p10/12.jpg" && pack.path(2) == "p11/13.jpg"));
  CHECK(pack.classes() == 3);  // a list of the same people has the same labels
  FaceList ruins(folder.path() / "faces");
  ruins.add("p12/16.jpg");
  CHECK_THROWS_AS(packed_bytes(ruins, {.bad_images = BadImages::skip}), DataError);
  CHECK_THROWS_AS(packed_bytes(FaceList()), UsageError);
  CHECK_THROWS_AS(packed_bytes(list, {.workers = 0}), UsageError);
}

TEST_CASE("packed faces: what the sink throws comes out and leaves no thread behind", "[packed]") {
  const TemporaryFolder folder;
  const FaceList list = write_faces(folder, 100);
  struct Full {};
  std::size_t room = 20'000;
  const auto sink = [&](std::span<const std::byte> piece) {
    if (piece.size() > room) throw Full();
    room -= piece.size();
  };
  CHECK_THROWS_AS(write_packed_faces(list, {.format = small}, sink), Full);
}

TEST_CASE("packed faces: an image listed twice is packed twice", "[packed]") {
  const TemporaryFolder folder;
  write_faces(folder, 3);
  FaceList list(folder.path() / "faces");
  for (const std::int64_t label : {0, 1}) list.add("p10/11.jpg", label);
  list.add("p10/12.jpg", 1);
  const FaceList pack = open_list(folder.write("faces.pack", packed_bytes(list)));
  REQUIRE(pack.size() == 3);
  CHECK((pack.label(0) == 0 && pack.label(1) == 1));
  CHECK(file_bytes(pack, 0) == file_bytes(pack, 1));
  const CheckReport report = check_data(pack, small);
  CHECK((report.good == 2 && report.count(Problem::listed_twice) == 1));
}

TEST_CASE("packed faces: a damaged image is named, the others are as they were", "[packed]") {
  const TemporaryFolder folder;
  const FaceList list = write_faces(folder, 9);
  const Bytes whole = packed_bytes(list);
  const std::size_t at = little(whole, Places(whole).entry(4), 8);
  for (std::size_t k = 0; k < little(whole, Places(whole).entry(4) + 24, 4); ++k) {
    Bytes damaged = whole;
    damaged[at + k] ^= std::byte{1};
    const FaceList pack = open_list(folder.write("faces.pack", damaged));
    std::set<std::int64_t> bad;
    for (std::int64_t i = 0; i < 9; ++i) {
      try {
        file_bytes(pack, i);
      } catch (const DataError& error) {
        const std::string what = error.what();
        CHECK(what.starts_with((folder.path() / "faces.pack/p11/14.jpg").string() + " does not match its checksum"));
        CHECK(what.ends_with("."));
        bad.insert(i);
      }
    }
    REQUIRE(bad == std::set<std::int64_t>{4});
  }
  Bytes damaged = whole;
  damaged[at + 9] ^= std::byte{1};
  const FaceList pack = open_list(folder.write("faces.pack", damaged));
  const CheckReport report = check_data(pack, small);
  CHECK((report.good == 8 && report.count(Problem::unreadable) == 1 && report.findings.front().image == 4));
  Loader strict(pack, {.batch = 9, .format = small});
  CHECK_THROWS_AS(strict.next(), DataError);
  Loader lenient(pack, {.batch = 9, .format = small, .bad_images = BadImages::skip});
  lenient.next();
  CHECK(lenient.bad_images().size() == 1);
}

TEST_CASE("packed faces: every truncation and every flipped bit outside the images is refused", "[packed]") {
  const TemporaryFolder folder;
  const Bytes whole = packed_bytes(write_faces(folder, 4));
  REQUIRE(refusal(folder.write("faces.pack", whole)).empty());
  std::size_t missed = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    missed += refusal(folder.write("short.pack", Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)))).empty() ? 1 : 0;
  }
  CHECK(missed == 0);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    if (at >= 16 && at < Places(whole).index) continue;
    for (int bit = 0; bit < 8; ++bit) {
      Bytes damaged = whole;
      damaged[at] ^= std::byte(1U << bit);
      missed += refusal(folder.write("flipped.pack", damaged)).empty() ? 1 : 0;
    }
  }
  CHECK(missed == 0);
  Bytes longer = whole;
  longer.push_back(std::byte{0});
  CHECK(!refusal(folder.write("longer.pack", longer)).empty());
  append(longer, whole);
  CHECK(!refusal(folder.write("twice.pack", longer)).empty());
}

TEST_CASE("packed faces: numbers that cannot be are refused, also under checksums that are right", "[packed]") {
  const TemporaryFolder folder;
  const Bytes whole = packed_bytes(write_faces(folder, 4));
  const Places places(whole);
  struct Lie {
    std::size_t at, count;
    std::uint64_t value;
    std::string_view says;
  };
  constexpr std::uint64_t huge = ~std::uint64_t{0};
  const std::uint64_t first_end = little(whole, places.entry(0) + 16, 8);
  const std::vector<Lie> lies{
      {places.foot, 8, 0, "1 to 4294967295 images"},
      {places.foot, 8, huge, "1 to 4294967295 images"},
      // times 32 is 0 in 64 bits
      {places.foot, 8, std::uint64_t{1} << 59, "1 to 4294967295 images"},
      {places.foot, 8, 0xFFFFFFFF, "do not make"},
      {places.foot, 8, 3, "do not make"},
      {places.foot, 8, 5, "do not make"},
      {places.foot + 8, 8, 0, "do not make"},
      {places.foot + 8, 8, huge, "do not make"},
      {places.foot + 8, 8, places.index - 1, "do not make"},
      {places.foot + 8, 8, whole.size(), "do not make"},
      {places.foot + 16, 8, 0, "do not make"},
      {places.foot + 16, 8, huge, "do not make"},
      {places.foot + 24, 8, 0, "classes"},
      {places.foot + 24, 8, (std::uint64_t{1} << 31) + 1, "classes"},
      {places.foot + 24, 8, 1, "has label 1 in 1 classes"},
      {places.entry(0), 8, 15, "cannot be image 0 of 4"},
      {places.entry(0), 8, huge, "cannot be image 0 of 4"},
      {places.entry(1), 8, 16, "cannot be image 1 of 4"},
      {places.entry(1) + 24, 4, 0, "cannot be image 1 of 4"},
      {places.entry(1) + 24, 4, 0xFFFFFFFF, "cannot be image 1 of 4"},
      {places.entry(3) + 24, 4, little(whole, places.entry(3) + 24, 4) - 1, "its 4 images end at byte"},
      {places.entry(0) + 16, 8, 0, "the path of image 0"},
      {places.entry(0) + 16, 8, huge, "the path of image 0"},
      {places.entry(1) + 16, 8, first_end, "the path of image 1"},
      {places.entry(3) + 16, 8, little(whole, places.entry(3) + 16, 8) - 1, "their paths at"},
      {places.entry(2) + 28, 4, 2, "has label 2 in 2 classes"},
      {places.paths() + 3, 1, 0, "holds a zero byte"},
  };
  for (const Lie& lie : lies) {
    Bytes file = whole;
    set_little(file, lie.at, lie.count, lie.value);
    seal(file, places);
    const std::string what = refusal(folder.write("lie.pack", file));
    INFO("`" << what << "` at " << lie.at << " says " << lie.value);
    CHECK(what.find(lie.says) != std::string::npos);
  }
  Bytes other = whole;
  set_little(other, 8, 4, 2);
  seal(other, places);
  CHECK(refusal(folder.write("v2.pack", other)).find("version 2 but this amnet reads version 1") != std::string::npos);

  // Any other change is refused, or leaves a pack that can be read: there must be no other result.
  const Random random(11);
  std::size_t opened = 0;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    Bytes file = whole;
    const std::size_t at = places.index + random.below(2 * i, places.foot + 32 - places.index);
    file[at] ^= std::byte(1U << random.below(2 * i + 1, 8));
    seal(file, places);
    const auto path = folder.write("mutant.pack", file);
    if (!refusal(path).empty()) continue;
    ++opened;
    const FaceList list = open_list(path);
    for (std::int64_t image = 0; image < list.size(); ++image) {
      try {
        file_bytes(list, image);
      } catch (const DataError&) {
      }
    }
  }
  // changed labels, checksums and letters of paths cannot be detected
  CHECK((opened > 100 && opened < 3900));
}

TEST_CASE("packed faces: files that are no packs are named", "[packed]") {
  const TemporaryFolder folder;
  CHECK(refusal(folder.path() / "absent.pack").find("No such file") != std::string::npos);
  CHECK(refusal(folder.path()).find("not a regular file") != std::string::npos);
  CHECK(refusal("/dev/zero").find("not a regular file") != std::string::npos);
  CHECK(refusal(folder.write("empty.pack", "")).find("not a packed file") != std::string::npos);
  CHECK(refusal(folder.write("list.txt", "ann/01.jpg 0\n")).find("train_face pack") != std::string::npos);
  CHECK(refusal(folder.write("mark.pack", "AMNETPAK")).find("truncated") != std::string::npos);
  const FaceList pack = open_list(folder.write("faces.pack", packed_bytes(write_faces(folder, 3))));
  Bytes buffer;
  CHECK_THROWS_AS(pack.images(0).read("p10/99.jpg", "x", buffer), DataError);
  pack.images(0).prefetch("p10/99.jpg");
}

TEST_CASE("packed faces: the real faces give the batches of their folder", "[packed]") {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly("packed faces: the real faces give the batches of their folder");
  const TemporaryFolder folder;
  const auto root = *shared / "data/faces";
  const FaceList list = read_face_list(root / "heldout_list.txt", root);
  std::ofstream out(folder.path() / "faces.pack", std::ios::binary);
  write_packed_faces(list, {}, [&](std::span<const std::byte> piece) {
    out.write(reinterpret_cast<const char*>(piece.data()), static_cast<std::streamsize>(piece.size()));
  });
  out.close();
  Loader from_folder(list, {.batch = 64, .seed = 3});
  Loader from_pack(open_list(folder.path() / "faces.pack"), {.batch = 64, .seed = 3});
  for (int b = 0; b < 20; ++b) REQUIRE(all_bytes(from_folder.next()) == all_bytes(from_pack.next()));
}
