// Any bytes become UTF-8, and are put on one line where requested.
#include "catch.h"

#include <amnet/core/text.h>

#include <string>
#include <vector>

using namespace amnet;

TEST_CASE("text: UTF-8 stays as it is", "[text]") {
  const std::string replacement = "\xEF\xBF\xBD";
  for (const std::string text : {"", "plain", "caf\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"}) {
    CHECK(is_valid_utf8(text));
    CHECK(valid_utf8(text) == text);
    CHECK(one_line(text) == text);
  }
  CHECK(valid_utf8(replacement) == replacement);
}

TEST_CASE("text: each byte that is no UTF-8 becomes U+FFFD", "[text]") {
  const std::string r = "\xEF\xBF\xBD";
  CHECK(valid_utf8("caf\xE9.jpg") == "caf" + r + ".jpg");
  CHECK(valid_utf8("\xC3") == r);                          // cut short
  CHECK(valid_utf8("\xE2\x82") == r + r);                  // cut short
  CHECK(valid_utf8("\xC0\xAF") == r + r);                  // overlong
  CHECK(valid_utf8("\xED\xA0\x80") == r + r + r);          // a surrogate
  CHECK(valid_utf8("\xF4\x90\x80\x80") == r + r + r + r);  // beyond U+10FFFF
  CHECK(valid_utf8("\xFF\x41\x80") == r + "A" + r);
  CHECK(!is_valid_utf8("caf\xE9.jpg"));
  for (int byte = 0x80; byte < 0x100; ++byte) CHECK(valid_utf8(std::string(1, static_cast<char>(byte))) == r);
}

TEST_CASE("text: a line has no control characters", "[text]") {
  CHECK(one_line("a\nb\tc\rd") == "a\\nb\\tc\\rd");
  CHECK(one_line("\x1b[31mred\x7f") == "\\x1b[31mred\\x7f");
  CHECK(one_line("\xC2\x9B"
                 "31m") == "\\x9b31m");  // C1: another way to begin a terminal's command
  CHECK(one_line(std::string_view("a\0b", 3)) == "a\\x00b");
  CHECK(one_line("\xE9\n") == "\xEF\xBF\xBD\\n");
}

TEST_CASE("text: parts are joined with a separator between them", "[text]") {
  const std::vector<std::string> parts = {"a", "", "c"};
  CHECK(joined(parts, ", ") == "a, , c");
  CHECK(joined(std::vector<std::string>{"", "b"}, ", ") == ", b");
  CHECK(joined({}, ", ").empty());
  CHECK(joined(std::vector<std::string>{"alone"}, ", ") == "alone");
}
