// The JSON of amnet's own files: one type, and one way to make an object.
//
// nlohmann's braces and its at("literal") are templates that are instantiated again for every
// length of a literal, and a second type of object doubles everything: 6 % of the memory in which
// the single header compiles.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <utility>

namespace amnet {

/// Members stay in the order in which they were set.
using Json = nlohmann::ordered_json;

/// An object with these members, in this order.
Json json_object(std::initializer_list<std::pair<const char*, Json>> members);

/// The same value with the members of every object in the order of their names, whatever the order
/// in which they were set.
Json sorted_json(const Json& json);

/// The member of that name. Throws Json::out_of_range where there is none, and Json::type_error
/// where `object` is no object.
const Json& json_member(const Json& object, const char* name);

}  // namespace amnet
