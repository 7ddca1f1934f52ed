#include <amnet/core/path_hint.h>

#include <fmt/format.h>

#include <algorithm>

namespace amnet {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// "C:" at the beginning, followed by a separator or the end: a file can have the name `C:x`.
bool has_drive(std::string_view path) {
  return path.size() >= 2 && is_letter(path[0]) && path[1] == ':' && (path.size() == 2 || path[2] == '\\' || path[2] == '/');
}

/// "file" of "file:///faces/1.jpg"; empty where there is no scheme.
std::string_view scheme_of(std::string_view path) {
  const auto end = path.find("://");
  if (end == std::string_view::npos || end < 2) return {};
  const std::string_view scheme = path.substr(0, end);
  const bool plain = std::ranges::all_of(scheme, [](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-'; });
  return plain ? scheme : std::string_view();
}

}  // namespace

std::string path_hint(std::string_view path) {
  if (path.empty()) return {};
  const auto quote = [](char c) { return c == '"' || c == '\'' || c == '`'; };
  if (quote(path.front()) || quote(path.back())) return "; write the path without quotes";
  if (has_drive(path)) {
    return fmt::format("; it begins with a Windows drive, `{}`: write the path that it has here, with `/`", path.substr(0, 2));
  }
  if (const std::string_view scheme = scheme_of(path); !scheme.empty()) {
    return fmt::format("; it is an address: write the path alone, without `{}://`", scheme);
  }
  if (path.find('\\') != std::string_view::npos) {
    std::string slashes(path);
    std::ranges::replace(slashes, '\\', '/');
    return fmt::format("; it has backslashes: write `{}`", slashes);
  }
  if (path.starts_with("~")) return "; only a shell knows `~`: write the home folder out";
  return {};
}

}  // namespace amnet
