#include <amnet/data/image_names.h>

#include <algorithm>

namespace amnet {
namespace {

// Pictures that phones, cameras, scanners and the web make and that amnet does not decode.
constexpr std::string_view unread_endings[] = {".avif", ".avifs", ".heic", ".heif", ".hif", ".tif", ".tiff", ".gif", ".jp2", ".j2k",
                                               ".jpx",  ".jxl",   ".jxr",  ".dng",  ".cr2", ".cr3", ".nef",  ".arw", ".orf", ".raf",
                                               ".rw2",  ".psd",   ".tga",  ".dib",  ".pbm", ".pam", ".pfm",  ".qoi", ".exr", ".hdr",
                                               ".ico",  ".pcx",   ".ras",  ".sr",   ".xbm", ".xpm", ".apng", ".mpo", ".jps"};

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

/// ".JPG" of "ann/01.JPG"; empty where there is none. A name that begins with its only dot has
/// none.
std::string_view raw_ending(std::string_view path) {
  const std::string_view name = file_name(path);
  const auto dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? std::string_view() : name.substr(dot);
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return lower;
}

bool has_ending(std::string_view path) { return !raw_ending(path).empty(); }

std::optional<std::size_t> ending_of(std::string_view path) {
  const auto found = std::ranges::find(image_endings, lower_case(raw_ending(path)));
  if (found == image_endings.end()) return std::nullopt;
  return static_cast<std::size_t>(found - image_endings.begin());
}

std::string_view without_ending(std::string_view path) {
  return ending_of(path) ? path.substr(0, path.size() - raw_ending(path).size()) : path;
}

bool is_preferred(std::string_view a, std::string_view b) {
  const std::size_t place_a = ending_of(a).value_or(image_endings.size()), place_b = ending_of(b).value_or(image_endings.size());
  return place_a != place_b ? place_a < place_b : a > b;
}

NameKind kind_of_name(std::string_view path) {
  if (file_name(path).starts_with('.')) return NameKind::hidden;
  if (ending_of(path)) return NameKind::image;
  const bool unread = std::ranges::find(unread_endings, lower_case(raw_ending(path))) != std::end(unread_endings);
  return unread ? NameKind::unread : NameKind::other;
}

std::string endings_in_words() {
  std::string words = "as ";
  for (std::size_t i = 0; i < image_endings.size(); ++i) {
    words += i == 0 ? "" : i + 1 < image_endings.size() ? ", " : " or ";
    words += image_endings[i];
  }
  return words;
}

}  // namespace amnet
