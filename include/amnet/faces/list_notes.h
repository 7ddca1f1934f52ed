// What the reader of a list or of a folder left out, and the sentences that report it: the same for
// every command.
//
//   FaceList list = list_folder("faces", {.exclude = "overlap.txt"});
//   for (const std::string& line : sentences_of(list.notes())) fmt::print("{}\n", line);
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace amnet {

/// How many there are of something, and at most 5 of them by name.
struct LeftOut {
  std::int64_t count = 0;
  std::vector<std::string> examples;

  void add(std::string name);
};

/// Names are relative to the root. All fields but those of the exclusions are for folders alone: a
/// list names its images itself.
struct ListNotes {
  std::string exclusions;  ///< the file of the names to exclude; empty for none
  std::int64_t excluded_images = 0;
  std::int64_t excluded_identities = 0;
  LeftOut unmatched_exclusions;  ///< names to exclude that no image belongs to

  LeftOut unread_pictures;  ///< pictures by their names, of a kind that amnet does not read
  /// pictures by their first bytes, in files whose names have no ending
  LeftOut unnamed_pictures;
  LeftOut misplaced_pictures;  ///< beside the people's folders, or in folders within them
  LeftOut nested_folders;      ///< folders within people's folders
  LeftOut empty_people;        ///< people's folders without an image
  LeftOut other_files;         ///< that do not look like a picture
  LeftOut hidden;              ///< names that begin with a dot

  /// What was left out though it looks like a picture.
  std::int64_t left_out_pictures() const { return unread_pictures.count + unnamed_pictures.count + misplaced_pictures.count; }
};

/// A sentence, without a full stop, for each kind of thing that was left out.
std::vector<std::string> sentences_of(const ListNotes& notes);

}  // namespace amnet
