// The number of characters between two names.
#include "core/edit_distance.h"
#include "catch.h"

using amnet::edit_distance;

TEST_CASE("edit distance: characters to change, insert or remove", "[edit_distance]") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);  // two changed, one inserted
  CHECK(edit_distance("sitting", "kitten") == 3);
  CHECK(edit_distance("conv1", "conv1") == 0);
  CHECK(edit_distance("conv1", "conv") == 1);
  CHECK(edit_distance("flaw", "lawn") == 2);
}
