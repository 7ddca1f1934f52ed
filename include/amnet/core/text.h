// Text from outside: file names, paths, metadata and host names are bytes of any kind, and
// everything that is written for people or other programs is UTF-8. Not covered: locales, and other
// encodings.
//
//   one_line("ann\n\x1b[2J.jpg");   // R"(ann\n\x1b[2J.jpg)": no file's name adds a line to a log, or a command to a terminal
//   valid_utf8("Zo\xeb");           // "Zo\uFFFD"
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace amnet {

/// Bytes of the UTF-8 character at the front of `text`, by the table of RFC 3629, section 4; 0
/// where there is none.
std::size_t utf8_length(std::string_view text);

bool is_valid_utf8(std::string_view text);

/// `text` with U+FFFD in the place of each byte that is no UTF-8.
std::string valid_utf8(std::string_view text);

/// valid_utf8 on one line: control characters are written as \n, \t or \x1b. No file name can then
/// add a line to a log or a command to a terminal.
std::string one_line(std::string_view text);

/// "a, b, c": the parts with the separator between them.
std::string joined(std::span<const std::string> parts, std::string_view separator);

/// "(2,0,1)": integers as a shape writes its extents.
std::string list_text(std::span<const std::int64_t> numbers);

/// A JSON value (nlohmann's, which users of amnet need not have) as a file's content. Never throws
/// for a string that is no UTF-8, as `dump` alone does.
template <class Json>
std::string json_text(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace amnet
