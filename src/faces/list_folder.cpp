#include <amnet/core/error.h>
#include <amnet/data/image_names.h>
#include <amnet/faces/face_list.h>

#include "exclusions.h"
#include "folder_hint.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>
#include <system_error>

namespace amnet {
namespace {

namespace fs = std::filesystem;

/// Whether a file begins like one of the common picture formats: JPEG, PNG, GIF, WebP, TIFF, or
/// HEIC and AVIF.
bool begins_as_picture(const fs::path& path) {
  std::error_code unreadable;
  if (!fs::is_regular_file(path, unreadable)) return false;  // opening a pipe must not block
  std::array<char, 12> bytes{};
  std::ifstream(path, std::ios::binary).read(bytes.data(), bytes.size());
  const std::string_view head(bytes.data(), bytes.size());
  using namespace std::string_view_literals;
  const auto begins = [&](std::string_view magic) { return head.starts_with(magic); };
  return begins("\xFF\xD8\xFF") || begins("\x89PNG") || begins("GIF8") || begins("II*\0"sv) || begins("MM\0*"sv) ||
         (begins("RIFF") && head.substr(8) == "WEBP") || head.substr(4, 4) == "ftyp";
}

/// A folder as a list: people in their order, and notes about everything else in it.
class FolderReader {
 public:
  FolderReader(const fs::path& root, const ListOptions& options) : root_(root), exclusions_(options.exclude), list_(root) {}

  FaceList read() {
    for (const fs::directory_entry& entry : sorted(root_)) {
      const std::string name = entry.path().filename().string();
      if (kind_of_name(name) == NameKind::hidden) {
        notes().hidden.add(name);
      } else if (entry.is_directory()) {
        read_person(entry.path(), name);
      } else {
        leave_out(name);
      }
    }
    exclusions_.report(notes());
    return std::move(list_);
  }

 private:
  ListNotes& notes() { return list_.notes(); }

  static std::vector<fs::directory_entry> sorted(const fs::path& folder) {
    std::vector<fs::directory_entry> entries;
    for (const auto& entry : fs::directory_iterator(folder)) entries.push_back(entry);
    std::ranges::sort(entries, {}, [](const fs::directory_entry& entry) { return entry.path().filename().string(); });
    return entries;
  }

  void read_person(const fs::path& folder, const std::string& identity) {
    std::vector<std::string> images;
    for (const fs::directory_entry& entry : sorted(folder)) {
      std::string name = identity + "/" + entry.path().filename().string();
      if (kind_of_name(name) == NameKind::hidden) {
        notes().hidden.add(std::move(name));
      } else if (entry.is_directory()) {
        leave_out_folder(entry.path(), name);
      } else if (kind_of_name(name) == NameKind::image) {
        images.push_back(std::move(name));
      } else {
        leave_out(std::move(name));
      }
    }
    if (images.empty()) {
      notes().empty_people.add(identity);
    } else if (!exclusions_.excludes(identity, static_cast<std::int64_t>(images.size()))) {
      for (const std::string& image : images) list_.add(image, label_);
      ++label_;
    }
  }

  /// A file that is not an image of a person.
  void leave_out(std::string name) {
    switch (kind_of_name(name)) {
      case NameKind::image: return notes().misplaced_pictures.add(std::move(name));
      case NameKind::unread: return notes().unread_pictures.add(std::move(name));
      case NameKind::hidden: return notes().hidden.add(std::move(name));
      case NameKind::other:
        if (!has_ending(name) && begins_as_picture(root_ / name)) return notes().unnamed_pictures.add(std::move(name));
        return notes().other_files.add(std::move(name));
    }
  }

  void leave_out_folder(const fs::path& folder, const std::string& name) {
    notes().nested_folders.add(name);
    std::vector<std::string> files;
    fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied);
    for (; entry != fs::recursive_directory_iterator(); ++entry) {
      const bool hidden = kind_of_name(entry->path().filename().string()) == NameKind::hidden;
      if (hidden) entry.disable_recursion_pending();
      if (hidden || !entry->is_directory()) files.push_back(name + "/" + entry->path().lexically_relative(folder).string());
    }
    std::ranges::sort(files);
    for (std::string& file : files) leave_out(std::move(file));
  }

  const fs::path& root_;
  Exclusions exclusions_;
  FaceList list_;
  std::int64_t label_ = 0;
};

/// Why a folder has no image that can be used, as the end of a sentence.
std::string what_it_holds(const ListNotes& notes, const fs::path& root) {
  if (notes.excluded_images > 0) return " that are not excluded; expected one sub-folder per identity, with images in it";
  if (const std::string hint = folder_hint(root); !hint.empty()) return " in sub-folders; " + hint;
  if (notes.misplaced_pictures.count > 0) {
    return fmt::format(" in sub-folders of its own, one per identity, but {} elsewhere, such as {}; name their folder",
                       notes.misplaced_pictures.count, notes.misplaced_pictures.examples.front());
  }
  if (notes.unread_pictures.count > 0) {
    return fmt::format(" that amnet reads, but {} others, such as {}; convert them to JPEG, PNG or WebP", notes.unread_pictures.count,
                       notes.unread_pictures.examples.front());
  }
  return "; expected one sub-folder per identity, with images in it";
}

}  // namespace

FaceList list_folder(const fs::path& root, const ListOptions& options) {
  require_image_folder(root);
  try {
    FaceList list = FolderReader(root, options).read();
    require<DataError>(!list.empty(), "the folder {} holds no images{}.", root.string(), what_it_holds(list.notes(), root));
    if (options.classes != 0) list.set_classes(options.classes);
    return list;
  } catch (const fs::filesystem_error& error) {
    throw DataError(fmt::format("the folder {} cannot be read: {}.", error.path1().string(), error.code().message()));
  }
}

}  // namespace amnet
