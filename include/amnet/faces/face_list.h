// Which images there are and who is on them: a list file of lines `relative/path label`, or a
// folder with one sub-folder per identity. Images are not opened here; check_data does that.
//
//   FaceList list = read_face_list("train_list.txt", "faces", {.exclude = "overlap.txt"});
//   list.file(i);      // faces/train/ann/01.jpg
//   list.label(i);     // in [0, list.classes())
//   list.where(i);     // "train_list.txt:12: faces/train/ann/01.jpg", for messages
#pragma once

#include <amnet/data/image_source.h>
#include <amnet/faces/list_notes.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// Images with labels, 16 bytes each beside the paths themselves. Positions run over [0, size()).
/// Copies of a list share its images until one of them is changed.
class FaceList {
 public:
  /// One of the lists that were joined to this one, in their order.
  struct Part {
    std::shared_ptr<const ImageSource> images;  // where they lie
    // the list file; empty for a folder or a packed file
    std::string source;
    std::int64_t first_image = 0, first_label = 0;
  };

  /// An empty list of images under `root`; `source` names the list file in messages.
  explicit FaceList(std::filesystem::path root = {}, std::string source = {});
  /// The same of images that lie elsewhere, such as in a packed file.
  explicit FaceList(std::shared_ptr<const ImageSource> images, std::string source = {});

  /// Appends an image. `label` is in [0, 2^31), `line` the list's line or 0 for none.
  void add(std::string_view path, std::int64_t label = 0, std::int64_t line = 0);
  /// Reserves room for so many images, whose paths have so many bytes in total.
  void reserve(std::size_t images, std::size_t path_bytes);
  /// Appends the images of another list. Its people are others: its labels move up by classes().
  void join(const FaceList& other);
  /// The memory of the images, for a forecast.
  std::size_t bytes() const;

  std::int64_t size() const { return static_cast<std::int64_t>(named_->labels.size()); }
  bool empty() const { return size() == 0; }
  /// The path as the list has it, relative to the root.
  std::string_view path(std::int64_t i) const;
  std::int64_t label(std::int64_t i) const { return named_->labels[static_cast<std::size_t>(i)]; }
  std::int64_t line(std::int64_t i) const { return named_->lines[static_cast<std::size_t>(i)]; }
  /// The name of the folder the image lies in; empty if the path has none.
  std::string_view identity(std::int64_t i) const { return identity_of(path(i)); }
  std::filesystem::path file(std::int64_t i) const;
  /// Names an image in a message: "<list>:<line>: <file>", or the file alone where there is no
  /// list.
  std::string where(std::int64_t i) const;

  /// One more than the largest label, unless set.
  std::int64_t classes() const { return classes_; }
  /// Throws DataError naming the first line whose label does not fit, UsageError outside [1, 2^31].
  void set_classes(std::int64_t classes);
  /// Removes the classes of `labels` (sorted; no image has one of them) and moves higher labels
  /// down.
  void remove_classes(const std::vector<std::int64_t>& labels);
  /// Renumbers the labels: label i becomes `places[i]`, which is a label of the list as it was
  /// read, `old_labels[places[i]]`.
  void relabel(const std::vector<std::int32_t>& places, std::vector<std::int64_t> old_labels);
  /// Of each class the label it had in the list that it was read from; empty unless it was
  /// relabelled or joined.
  const std::vector<std::int64_t>& old_labels() const { return old_labels_; }

  /// One unless lists were joined.
  const std::vector<Part>& parts() const { return parts_; }
  /// Where image i lies.
  const ImageSource& images(std::int64_t i) const { return *part_of(i).images; }
  /// The list file that names image i; empty for a folder or a packed file.
  const std::string& source(std::int64_t i) const { return part_of(i).source; }
  const ListNotes& notes() const { return notes_; }
  ListNotes& notes() { return notes_; }

  /// The folder name of a relative path: "ann" for "train/ann/01.jpg".
  static std::string_view identity_of(std::string_view path);

 private:
  struct Images {
    // one after the other: millions of small strings would cost three times as much
    std::string paths;
    std::vector<std::uint64_t> ends;   // of each path in `paths`
    std::vector<std::int32_t> labels;  // (size)
    std::vector<std::uint32_t> lines;  // (size)
  };
  Images& to_change();  // owned by this list alone from now on
  const Part& part_of(std::int64_t i) const;

  std::vector<Part> parts_;
  std::shared_ptr<Images> named_ = std::make_shared<Images>();
  std::int64_t classes_ = 0;
  std::vector<std::int64_t> old_labels_;  // (classes) or none
  ListNotes notes_;
};

struct ListOptions {
  std::int64_t classes = 0;            // 0: the largest label + 1
  std::filesystem::path exclude = {};  // a file of identity names, one per line; empty for none
  // labels may be any whole numbers; in ascending order they become 0, 1, 2, ...
  bool relabel = false;
};

/// Reads lines `relative/path label`, the label after the last space or tab. A byte order mark,
/// CRLF, blank lines and spaces in paths are accepted. Throws DataError "<list>:<line>: ..." for a
/// label that is missing, negative, not an integer or >= 2^31, and for a list that is missing,
/// empty or not text.
///
/// `exclude` leaves out the images whose identity (folder name) it names. A label that has lost all
/// its images is removed: higher labels move down, in order. Labels that no image had in the list
/// stay; see unused_labels.
FaceList read_face_list(const std::filesystem::path& list_file, const std::filesystem::path& root, const ListOptions& options = {});

/// Reads several lists as one. People of different lists are different people: the labels of each
/// list are numbered after those of the lists before it. `roots` has one folder for all lists, or
/// one for each, in their order; `options.classes` is the number of all people together. Throws as
/// read_face_list does, and DataError for a person's folder with images in two lists.
FaceList read_face_lists(const std::vector<std::filesystem::path>& list_files, const std::vector<std::filesystem::path>& roots,
                         const ListOptions& options = {});

/// Lists the images, by their names (image_names.h), of every sub-folder of `root`. Identities are
/// the sub-folders that hold an image and are not excluded, sorted by name (as bytes); the label is
/// the position in that order. What else lies there is in the notes. Throws DataError.
FaceList list_folder(const std::filesystem::path& root, const ListOptions& options = {});

/// Labels in [0, classes) that no image has: usually a list that counts from 1, or --classes set
/// too high.
struct UnusedLabels {
  std::int64_t count = 0;
  std::vector<std::int64_t> first;  // at most 10 of them, ascending
};
UnusedLabels unused_labels(const FaceList& list);

/// The table of a list that was relabelled, as lines `label,label_in_list` under that header, or
/// joined, as lines `label,label_in_list,list` with the lists counted from 1; empty for another
/// list.
std::string label_table(const FaceList& list);

}  // namespace amnet
