#include "options_json.h"

#include <cmath>
#include <limits>

namespace amnet {
namespace {

constexpr int deepest = 16;  // of options within options: far more than any layer has

Json written(const Options& options, const std::string& where, int depth);

Json written(const OptionValue& value, const std::string& where, int depth) {
  require(depth < deepest, "[model] {} lies in options within options, deeper than the {} that a description holds.", where, deepest);
  return std::visit(
      [&]<class T>(const T& held) -> Json {
        if constexpr (std::is_same_v<T, OptionList>) {
          Json list = Json::array();
          for (const OptionValue& each : held) list.push_back(written(each, where, depth + 1));
          return list;
        } else if constexpr (std::is_same_v<T, Options>) {
          return written(held, where, depth + 1);
        } else if constexpr (std::is_same_v<T, double>) {
          return finite(held, where);
        } else {
          return held;
        }
      },
      value.value);
}

Json written(const Options& options, const std::string& where, int depth) {
  Json object = Json::object();
  for (const auto& [name, value] : options.entries()) object[name] = written(value, fmt::format("{}: '{}'", where, name), depth);
  return object;
}

class Reader {
 public:
  explicit Reader(const RefuseOption& refuse) : refuse_(refuse) {}

  Options options(const Json& json, const std::string& where, int depth) const {
    if (!json.is_object()) refuse_(where, "an object");
    Options options;
    for (const auto& [name, value] : json.items()) options.set(name, option(value, fmt::format("{}: '{}'", where, name), depth));
    return options;
  }

 private:
  OptionValue option(const Json& json, const std::string& where, int depth) const {
    if (depth == deepest) refuse_(where, "as flat as options are");
    if (json.is_boolean()) return {json.get<bool>()};
    if (json.is_string()) return {json.get<std::string>()};
    if (json.is_number_float()) return {json.get<double>()};
    if (is_integer(json)) return {json.get<std::int64_t>()};
    if (json.is_number()) refuse_(where, "an integer of 64 bits");
    if (json.is_object()) return {options(json, where, depth + 1)};
    if (!json.is_array()) refuse_(where, "an option");
    OptionList list;
    for (const Json& each : json) list.push_back(option(each, where, depth + 1));
    return {std::move(list)};
  }

  const RefuseOption& refuse_;
};

}  // namespace

Json json_of(const Options& options, const std::string& where) { return written(options, where, 0); }

Options options_of_json(const Json& json, const std::string& where, const RefuseOption& refuse) {
  return Reader(refuse).options(json, where, 0);
}

double finite(double value, const std::string& where) {
  require(std::isfinite(value), "[model] {} is {}, which no description can hold.", where, value);
  return value;
}

bool is_integer(const Json& json) {
  return json.is_number_integer() &&
         (!json.is_number_unsigned() || json.get<std::uint64_t>() <= std::uint64_t{std::numeric_limits<std::int64_t>::max()});
}

}  // namespace amnet
