#include <amnet/core/options.h>

#include "catch.h"

using namespace amnet;

TEST_CASE("options: a value as people read it", "[options]") {
  const auto integer = [](std::int64_t value) { return OptionValue{value}; };
  CHECK(text_of({true}) == "true");
  CHECK(text_of(integer(-3)) == "-3");
  CHECK(text_of({0.1}) == "0.1");
  CHECK(text_of({std::string("projected")}) == "projected");
  CHECK(text_of({OptionList{integer(3), integer(2)}}) == "3x2");
  CHECK(text_of({OptionList{}}) == "none");
  CHECK(text_of({OptionList{{0.5}}}) == "0.5");
  CHECK(text_of({OptionList{{0.5}, integer(1)}}) == "[0.5, 1]");
  CHECK(text_of({OptionList{integer(1), integer(2), integer(3)}}) == "[1, 2, 3]");
  Options options;
  options.set("base", {0.5});
  options.set("first", integer(7));
  CHECK(text_of({options}) == "{base 0.5, first 7}");
}
