// A small check that markup is well formed: every element closed in its order, every attribute
// quoted, every entity known.
#pragma once

#include <cctype>
#include <string>
#include <string_view>
#include <vector>

/// Empty, or the fault.
inline std::string flaw_in(std::string_view markup) {
  std::vector<std::string> open;
  for (std::size_t i = 0; i < markup.size(); ++i) {
    const std::string around(markup.substr(i, 40));
    if (markup[i] == '&') {
      bool known = false;
      for (const std::string_view entity : {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"}) known |= markup.substr(i).starts_with(entity);
      if (!known) return "a bare & at " + around;
    }
    if (static_cast<unsigned char>(markup[i]) < 0x20 && markup[i] != '\n' && markup[i] != '\t') return "a control character at " + around;
    if (markup[i] != '<') continue;
    std::size_t end = i + 1;
    for (bool inside = false; end < markup.size() && (inside || markup[end] != '>'); ++end) {
      if (markup[end] == '"') inside = !inside;
      if (markup[end] == '<') return "a < inside a tag at " + around;
    }
    if (end == markup.size()) return "an open tag at " + around;
    const std::string_view tag = markup.substr(i + 1, end - i - 1);
    i = end;
    if (tag.starts_with('!')) continue;
    std::size_t length = tag.starts_with('/') ? 1 : 0;
    while (length < tag.size() && std::isalnum(static_cast<unsigned char>(tag[length])) != 0) ++length;
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != tag.substr(1)) return "</" + std::string(tag.substr(1)) + "> closes nothing";
      open.pop_back();
      continue;
    }
    if (length == 0) return "no element at " + around;
    bool quoted = false;
    for (std::size_t k = 0; k < tag.size(); ++k) {
      if (tag[k] == '"') quoted = !quoted;
      if (!quoted && tag[k] == '=' && tag.substr(k + 1, 1) != "\"") return "an attribute without quotes at " + around;
    }
    if (!tag.ends_with('/')) open.emplace_back(tag.substr(0, length));
  }
  return open.empty() ? "" : "<" + open.back() + "> is never closed";
}
