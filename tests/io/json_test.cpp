// How the JSON of amnet's own files is made.
#include "io/json.h"
#include "catch.h"

#include <vector>

using amnet::Json;
using amnet::json_member;
using amnet::json_object;
using amnet::sorted_json;

TEST_CASE("json: an object has its members in the order in which they are given", "[json]") {
  const Json object = json_object({{"b", 1}, {"a", json_object({{"d", "text"}, {"c", std::vector<int>{2, 1}}})}});
  CHECK(object.dump() == R"({"b":1,"a":{"d":"text","c":[2,1]}})");
  CHECK(json_object({}).dump() == "{}");
  CHECK(json_member(object, "b") == 1);
  CHECK_THROWS_AS(json_member(object, "d"), Json::out_of_range);
  CHECK_THROWS_AS(json_member(Json(1), "b"), Json::type_error);
}

TEST_CASE("json: sorting orders the members of every object, and no list", "[json]") {
  const Json inner = json_object({{"z", 1}, {"y", 2}});
  const Json json = json_object({{"b", Json::array({3, inner, 1})}, {"a", inner}, {"c", nullptr}});
  CHECK(sorted_json(json).dump() == R"({"a":{"y":2,"z":1},"b":[3,{"y":2,"z":1},1],"c":null})");
  CHECK(sorted_json(Json("text")).dump() == "\"text\"");
}
