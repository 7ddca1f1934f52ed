#include "json.h"

#include <map>
#include <string>

namespace amnet {

Json json_object(std::initializer_list<std::pair<const char*, Json>> members) {
  Json object = Json::object();
  for (const auto& [name, value] : members) object[name] = value;
  return object;
}

Json sorted_json(const Json& json) {
  if (json.is_array()) {
    Json list = Json::array();
    for (const Json& each : json) list.push_back(sorted_json(each));
    return list;
  }
  if (!json.is_object()) return json;
  std::map<std::string, const Json*> members;
  for (const auto& [name, value] : json.items()) members[name] = &value;
  Json object = Json::object();
  for (const auto& [name, value] : members) object[name] = sorted_json(*value);
  return object;
}

const Json& json_member(const Json& object, const char* name) { return object.at(name); }

}  // namespace amnet
