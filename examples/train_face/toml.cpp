#include "toml.h"

#include <amnet/core/error.h>
#include <amnet/core/text.h>
#include <amnet/io/durable_file.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <set>
#include <utility>

using amnet::joined;
using amnet::UsageError;

namespace {

constexpr std::array<std::pair<char, char>, 7> escapes = {
    {{'"', '"'}, {'\\', '\\'}, {'n', '\n'}, {'t', '\t'}, {'r', '\r'}, {'b', '\b'}, {'f', '\f'}}};

bool is_of_a_bare_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '+' || c == '.'; }

// One line, read from left to right.
class LineReader {
 public:
  LineReader(std::string_view line, std::string where) : rest_(line), where_(std::move(where)) {}

  std::optional<TomlEntry> read() {
    if (at_end()) return std::nullopt;
    require(rest_.front() != '[', "tables such as `[name]` have no meaning here; write lines `key = value` alone");
    TomlEntry entry;
    entry.key = is_quote() ? quoted() : bare("a key");
    require(take('='), "expected `=` after the key");
    if (take('[')) {
      while (!take(']')) {
        entry.values.push_back(value());
        require(take(',') || next_is(']'), "expected `,` or `]` in the array, which ends on the line it begins on");
      }
    } else {
      entry.values.push_back(value());
    }
    require(at_end(), "expected nothing after the value");
    return entry;
  }

 private:
  void require(bool condition, std::string_view what) const { amnet::require(condition, "{}: {}.", where_, what); }

  void skip_blanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
  }
  bool at_end() {
    skip_blanks();
    return rest_.empty() || rest_.front() == '#';
  }
  bool next_is(char c) {
    skip_blanks();
    return rest_.starts_with(c);
  }
  bool take(char c) {
    if (!next_is(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool is_quote() { return next_is('"') || next_is('\''); }

  std::string value() { return is_quote() ? quoted() : bare("a value: a string in quotes, a number, true, false or an array"); }

  std::string bare(std::string_view what) {
    skip_blanks();
    const auto end = static_cast<std::size_t>(std::ranges::find_if_not(rest_, is_of_a_bare_word) - rest_.begin());
    require(end > 0, fmt::format("expected {}", what));
    std::string word(rest_.substr(0, end));
    rest_.remove_prefix(end);
    return word;
  }

  std::string quoted() {
    const char quote = rest_.front();
    std::string text;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == quote) {
        rest_.remove_prefix(i + 1);
        return text;
      }
      if (rest_[i] != '\\' || quote == '\'') {
        text += rest_[i];
        continue;
      }
      const char name = ++i < rest_.size() ? rest_[i] : '\0';
      if (name == 'u' || name == 'U') {
        const std::size_t digits = name == 'u' ? 4 : 8;
        text += character(rest_.substr(i + 1, digits), digits);
        i += digits;
        continue;
      }
      const auto* escape = std::ranges::find(escapes, name, &std::pair<char, char>::first);
      require(escape != escapes.end(), "this backslash means nothing; write a literal string in single quotes");
      text += escape->second;
    }
    require(false, "a quotation mark is missing at the end");
    return text;
  }

  // The UTF-8 of the code point given by `digits` hexadecimal digits.
  std::string character(std::string_view hexadecimal, std::size_t digits) const {
    std::uint32_t code = 0;
    const auto [end, error] = std::from_chars(hexadecimal.data(), hexadecimal.data() + hexadecimal.size(), code, 16);
    const bool whole = hexadecimal.size() == digits && error == std::errc() && end == hexadecimal.data() + digits;
    require(whole && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF), "expected the digits of a character after \\u or \\U");
    const auto tail = [code](int shift) { return static_cast<char>(0x80 | (code >> shift & 0x3F)); };
    if (code < 0x80) return {static_cast<char>(code)};
    if (code < 0x800) return {static_cast<char>(0xC0 | code >> 6), tail(0)};
    if (code < 0x10000) return {static_cast<char>(0xE0 | code >> 12), tail(6), tail(0)};
    return {static_cast<char>(0xF0 | code >> 18), tail(12), tail(6), tail(0)};
  }

  std::string_view rest_;
  std::string where_;
};

std::string read_text(const std::filesystem::path& file) {
  constexpr std::size_t longest = std::size_t{1} << 20;
  try {
    std::string text = amnet::read_file(file, longest);
    amnet::require(text.find('\0') == std::string::npos, "{}: this is no text.", file.string());
    return text;
  } catch (const amnet::Error& error) {
    throw UsageError(fmt::format("--config: {}", error.what()));
  }
}

}  // namespace

std::vector<TomlEntry> read_toml(const std::filesystem::path& file) {
  const std::string text = read_text(file);
  std::string_view rest = text;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  std::vector<TomlEntry> entries;
  std::set<std::string> keys;
  for (std::int64_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string where = fmt::format("{}:{}", file.string(), number);
    std::optional<TomlEntry> entry = LineReader(line, where).read();
    if (!entry) continue;
    amnet::require(keys.insert(entry->key).second, "{}: `{}` is set a second time; remove one of the two lines.", where, entry->key);
    entry->line = number;
    entries.push_back(std::move(*entry));
  }
  return entries;
}

std::string toml_text(const std::string& value) {
  amnet::require(amnet::is_valid_utf8(value), "TOML holds UTF-8, which {} is not.", value);
  std::string text = "\"";
  for (const char c : value) {
    const auto* escape = std::ranges::find(escapes, c, &std::pair<char, char>::second);
    if (escape != escapes.end()) {
      text += {'\\', escape->first};
    } else if (const auto byte = static_cast<unsigned char>(c); byte < 0x20 || byte == 0x7F) {
      text += fmt::format("\\u{:04x}", byte);
    } else {
      text += c;
    }
  }
  return text + '"';
}

std::string toml_text(const std::filesystem::path& value) { return toml_text(value.native()); }
std::string toml_text(double value) { return fmt::format("{}", value); }
std::string toml_text(std::int64_t value) { return std::to_string(value); }
std::string toml_text(int value) { return std::to_string(value); }
std::string toml_text(std::uint64_t value) { return std::to_string(value); }
std::string toml_text(bool value) { return value ? "true" : "false"; }

namespace {

template <class T>
std::string array_text(const std::vector<T>& values) {
  std::vector<std::string> texts;
  for (const T& value : values) texts.push_back(toml_text(value));
  return "[" + joined(texts, ", ") + "]";
}

}  // namespace

std::string toml_text(const std::vector<double>& values) { return array_text(values); }
std::string toml_text(const std::vector<std::string>& values) { return array_text(values); }

std::string toml_text(const std::vector<std::filesystem::path>& values) {
  if (values.empty()) return "";
  return values.size() == 1 ? toml_text(values.front()) : array_text(values);
}
