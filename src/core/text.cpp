#include <amnet/core/text.h>

#include <fmt/format.h>

#include <algorithm>

namespace amnet {
namespace {

// `text` character by character: `body` is given each, and U+FFFD for a byte that belongs to none.
template <class Body>
void for_each_character(std::string_view text, Body&& body) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    body(length > 0 ? text.substr(0, length) : std::string_view("\xEF\xBF\xBD"));
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
}

// C0, DEL, and C1, which some terminals interpret too.
bool is_control(std::string_view character) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(character[i]); };
  return character.size() == 1 ? byte(0) < 0x20 || byte(0) == 0x7F : character.size() == 2 && byte(0) == 0xC2 && byte(1) < 0xA0;
}

std::string escape_of(std::string_view control) {
  switch (control.back()) {
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: return fmt::format("\\x{:02x}", static_cast<unsigned char>(control.back()));
  }
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto within = [&](std::size_t i, unsigned low, unsigned high) { return byte(i) >= low && byte(i) <= high; };
  const unsigned lead = byte(0);
  if (text.empty()) return 0;
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return within(1, 0x80, 0xBF) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool second = within(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF);
    return second && within(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool second = within(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF);
    return second && within(2, 0x80, 0xBF) && within(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string valid_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  for_each_character(text, [&](std::string_view character) { valid += character; });
  return valid;
}

std::string one_line(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for_each_character(text, [&](std::string_view character) {
    if (is_control(character)) {
      line += escape_of(character);
    } else {
      line += character;
    }
  });
  return line;
}

std::string list_text(std::span<const std::int64_t> numbers) {
  std::string text;
  for (const std::int64_t number : numbers) text.append(1, text.empty() ? '(' : ',').append(std::to_string(number));
  return text.empty() ? "()" : text + ")";
}

std::string joined(std::span<const std::string> parts, std::string_view separator) {
  std::string text;
  for (const std::string& part : parts) text.append(&part == parts.data() ? "" : separator).append(part);
  return text;
}

}  // namespace amnet
