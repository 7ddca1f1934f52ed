// The list of a verification test: pairs of photographs in folds, in the format of LFW's
// `pairs.txt`, which is
//   10<TAB>300                       folds, and pairs of each kind in a fold
//   Abel_Pacheco<TAB>1<TAB>4         per fold first so many pairs of one person: name i j
//   Abdel_Madi_Shabneh<TAB>1<TAB>Dean_Barker<TAB>1      then as many of two people: nameA i nameB j
// (docs/data.md, "Pairs"). Photograph i of a person is name/name_%04d with an ending of
// image_names.h in any case; where there are several, the first of that table. Names of people must
// match exactly. Blank lines are allowed anywhere. Reading does not check pixels.
//
//   Pairs pairs = read_pairs("lfw/pairs.txt", "lfw/images");
//   for (const std::string& image : pairs.images) read_image("lfw/images/" + image, ChannelOrder::bgr);
#pragma once

#include <amnet/data/image_source.h>
#include <amnet/faces/loader.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace amnet {

/// Which two images, whether they show one person, and the fold (from 0) they belong to.
struct Pair {
  std::int32_t a = 0, b = 0;  // indices into Pairs::images
  bool same = false;
  std::int32_t fold = 0;

  friend bool operator==(const Pair&, const Pair&) = default;
};

struct Pairs {
  int folds = 0;
  /// Each image once, in the order of first use: a path relative to the root of the images, '/'
  /// between its parts.
  std::vector<std::string> images;
  /// For each image, its person: an index into `names`.
  std::vector<std::int32_t> people;
  /// For each image, the line (from 1) of the list that first names it.
  std::vector<std::int64_t> lines;
  /// Each person once, in the order of first use.
  std::vector<std::string> names;
  /// In the order of the list: fold by fold, in each first the pairs of one person, then those of
  /// two.
  std::vector<Pair> pairs;
};

/// Reads a list; `images` are stems without an extension (name/name_0001), and nothing is looked
/// up. Fields are separated by tabs (a name may then hold spaces), or by blanks on a line without a
/// tab; a byte-order mark and CRLF are accepted. Throws DataError with the file and line when the
/// list is malformed, DataError when it cannot be read.
Pairs read_pairs(const std::filesystem::path& list);

/// Reads a list and finds every image where it lies: below a root, or elsewhere, such as in a
/// packed file. With BadImages::fail an image that is not there throws DataError naming it and the
/// list's line; with skip it keeps its name, with .jpg, and reading it fails as reading any other
/// bad image does.
Pairs read_pairs(const std::filesystem::path& list, const ImageSource& images, BadImages missing = BadImages::fail);
/// The same below a folder, which must be there.
Pairs read_pairs(const std::filesystem::path& list, const std::filesystem::path& root, BadImages missing = BadImages::fail);

}  // namespace amnet
