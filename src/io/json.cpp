#include "json.h"

namespace amnet {

Json parse_json(std::string_view text) { return Json::parse(text); }

Json json_object(std::initializer_list<std::pair<const char*, Json>> members) {
  Json object = Json::object();
  for (const auto& [name, value] : members) object[name] = value;
  return object;
}

Json sorted_json_object(std::map<std::string, Json> members) {
  Json object = Json::object();
  for (auto& [name, value] : members) object[name] = std::move(value);
  return object;
}

const Json& json_member(const Json& object, const char* name) { return object.at(name); }

}  // namespace amnet
