#include "missing_file.h"

#include <amnet/core/path_hint.h>
#include <amnet/data/image_names.h>

#include <fmt/format.h>

#include <system_error>

namespace amnet {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code unreadable;  // counts as absent
  return fs::exists(path, unreadable);
}

}  // namespace

std::string missing_file_hint(const fs::path& root, std::string_view path) {
  if (is_there(root / path)) return {};
  if (std::string odd = path_hint(path); !odd.empty()) return odd;
  // A list that was made one folder higher up: "faces/ann/01.jpg" under faces.
  const fs::path above = (root / "").parent_path().parent_path();
  if (is_there(above / path)) return fmt::format("; it is there under {}", above.empty() ? "." : above.string());
  for (const std::string_view ending : image_endings) {
    const std::string other = std::string(without_ending(path)).append(ending);
    if (is_there(root / other)) return fmt::format("; there is `{}`", other);
  }
  return "; check the root folder and the list";
}

std::string file_alike(const fs::path& root, std::string_view path) {
  fs::path found;
  for (const fs::path& part : fs::path(path)) {
    if (is_there(root / found / part)) {
      found /= part;
      continue;
    }
    const std::string wanted = lower_case(part.string());
    fs::path best;
    std::error_code error;
    for (fs::directory_iterator entry(root / found, error), end; !error && entry != end; entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      const std::string lower = lower_case(name);
      const bool same_stem = ending_of(wanted) && ending_of(lower) && without_ending(lower) == without_ending(wanted);
      if (lower == wanted || (same_stem && best.empty())) best = name;
    }
    if (best.empty()) return {};
    found /= best;
  }
  return found.string();
}

}  // namespace amnet
