#include "folder_hint.h"

#include <amnet/data/image_names.h>

#include <fmt/format.h>
#include <algorithm>
#include <system_error>
#include <vector>

namespace amnet {
namespace {

namespace fs = std::filesystem;

// The most entries that are looked at: a hint is not worth a search through millions of files.
constexpr int most_entries = 20'000;
constexpr int deepest = 3;

/// The entries of a folder, at most `left` in total; none where it cannot be read.
class Entries {
 public:
  explicit Entries(int& left) : left_(left) {}

  /// Calls visit(entry) until it returns false.
  template <class Visit>
  void each(const fs::path& folder, Visit&& visit) {
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end && left_ > 0; entry.increment(error)) {
      --left_;
      if (kind_of_name(entry->path().filename().string()) != NameKind::hidden && !visit(*entry)) return;
    }
  }

  bool holds_image(const fs::path& folder) {
    bool found = false;
    each(folder, [&](const fs::directory_entry& entry) {
      std::error_code unreadable;
      found = kind_of_name(entry.path().filename().string()) == NameKind::image && !entry.is_directory(unreadable);
      return !found;
    });
    return found;
  }

  std::vector<fs::path> folders_in(const fs::path& folder) {
    std::vector<fs::path> folders;
    each(folder, [&](const fs::directory_entry& entry) {
      std::error_code unreadable;
      if (entry.is_directory(unreadable)) folders.push_back(entry.path());
      return true;
    });
    std::ranges::sort(folders);
    return folders;
  }

  /// Sub-folders that hold an image; counted no further than `enough`.
  int people_in(const fs::path& folder, int enough) {
    int people = 0;
    for (const fs::path& one : folders_in(folder)) {
      people += holds_image(one) ? 1 : 0;
      if (people >= enough) break;
    }
    return people;
  }

 private:
  int& left_;
};

fs::path parent_of(const fs::path& folder) {
  fs::path path = folder.lexically_normal();
  if (!path.has_filename()) path = path.parent_path();  // "faces/"
  if (path == "." || path.filename() == "..") return path == "." ? fs::path("..") : path / "..";
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

}  // namespace

std::string folder_hint(const fs::path& root) {
  int left = most_entries;
  Entries entries(left);
  if (entries.people_in(root, 2) >= 2) return {};
  // Below it, nearest first.
  std::vector<fs::path> level = entries.folders_in(root);
  for (int depth = 1; depth <= deepest && !level.empty(); ++depth) {
    std::vector<fs::path> next;
    for (const fs::path& folder : level) {
      if (entries.people_in(folder, 2) >= 2) {
        return fmt::format("the folders of people are in `{}`: pass .root {}", folder.lexically_relative(root).string(), folder.string());
      }
      const std::vector<fs::path> deeper = entries.folders_in(folder);
      next.insert(next.end(), deeper.begin(), deeper.end());
    }
    level = std::move(next);
  }
  if (!entries.holds_image(root)) return {};
  const fs::path parent = parent_of(root);
  if (entries.people_in(parent, 2) >= 2) {
    return fmt::format("it holds images itself, like the folder of one person: pass .root {}", parent.string());
  }
  return "it holds images itself: put those of each person into a sub-folder";
}

}  // namespace amnet
