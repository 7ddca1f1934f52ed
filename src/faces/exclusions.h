// The identities that a user leaves out, and which of them occurred.
#pragma once

#include <amnet/core/error.h>
#include <amnet/core/path_hint.h>
#include <amnet/faces/face_list.h>

#include <fstream>
#include <map>
#include <string>

namespace amnet {

class Exclusions {
 public:
  /// One name per line; blank lines, a byte order mark and white space at the ends are ignored. An
  /// empty path excludes nobody.
  explicit Exclusions(const std::filesystem::path& file) : file_(file.string()) {
    if (file.empty()) return;
    std::ifstream in(file);
    std::error_code unreadable;
    require<DataError>(std::filesystem::is_regular_file(file, unreadable) && in.good(),
                       "the file of identities to exclude, {}, cannot be read; check its path{}.", file_, path_hint(file_));
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
      const auto begin = line.find_first_not_of(" \t\r");
      if (begin == std::string::npos) continue;
      images_.emplace(line.substr(begin, line.find_last_not_of(" \t\r") - begin + 1), 0);
    }
  }

  bool empty() const { return images_.empty(); }
  /// Whether to leave out an identity; counts `images` images of it.
  bool excludes(std::string_view identity, std::int64_t images = 1) {
    if (images_.empty()) return false;
    const auto found = images_.find(identity);
    if (found == images_.end()) return false;
    found->second += images;
    return true;
  }
  void report(ListNotes& notes) const {
    notes.exclusions = file_;
    for (const auto& [name, images] : images_) {
      notes.excluded_images += images;
      notes.excluded_identities += images > 0 ? 1 : 0;
      if (images == 0) notes.unmatched_exclusions.add(name);
    }
  }

 private:
  std::string file_;
  std::map<std::string, std::int64_t, std::less<>> images_;  // name -> images left out
};

}  // namespace amnet
