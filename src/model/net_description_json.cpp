#include <amnet/model/net_description.h>

#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

namespace amnet {
namespace {

using Json = nlohmann::ordered_json;

constexpr int version = 1;
constexpr int deepest = 16;  // of options within options: far more than any layer has

Json json_of(const Options& options);

Json json_of(const OptionValue& value) {
  return std::visit(
      []<class T>(const T& held) -> Json {
        if constexpr (std::is_same_v<T, OptionList>) {
          Json list = Json::array();
          for (const OptionValue& each : held) list.push_back(json_of(each));
          return list;
        } else if constexpr (std::is_same_v<T, Options>) {
          return json_of(held);
        } else {
          return held;
        }
      },
      value.value);
}

Json json_of(const Options& options) {
  Json object = Json::object();
  for (const auto& [name, value] : options.entries()) object[name] = json_of(value);
  return object;
}

// Reads JSON; what is wrong with it is told with the source and the place.
class Reader {
 public:
  explicit Reader(const std::string& source) : source_(source) {}

  NetDescription net(const Json& json) {
    expect_members(json, "the net", {"version", "inputs", "layers"});
    const std::int64_t found = integer(json.at("version"), "the version");
    require<DataError>(found == version, "{}: the net's description is of version {} but this amnet knows {}.", source_, found, version);
    NetDescription description;
    for (const Json& each : array(json.at("inputs"), "the inputs")) description.inputs.push_back(input(each));
    for (const Json& each : array(json.at("layers"), "the layers")) description.layers.push_back(layer(each));
    return description;
  }

 private:
  [[noreturn]] void refuse(const std::string& where, std::string_view expected) const {
    throw DataError(fmt::format("{}: {} in the net's description is not {}.", source_, where, expected));
  }

  void expect_members(const Json& json, const std::string& where, const std::vector<std::string>& members) const {
    if (!json.is_object()) refuse(where, "an object");
    for (const std::string& member : members) {
      require<DataError>(json.contains(member), "{}: {} in the net's description has no '{}'.", source_, where, member);
    }
    for (const auto& [name, value] : json.items()) {
      require<DataError>(std::ranges::find(members, name) != members.end(), "{}: {} in the net's description has an unknown member '{}'.",
                         source_, where, name);
    }
  }
  const Json& array(const Json& json, const std::string& where) const {
    if (!json.is_array()) refuse(where, "a list");
    return json;
  }
  std::string text(const Json& json, const std::string& where) const {
    if (!json.is_string()) refuse(where, "a text");
    return json.get<std::string>();
  }
  std::int64_t integer(const Json& json, const std::string& where) const {
    const bool fits = json.is_number_integer() &&
                      (!json.is_number_unsigned() || json.get<std::uint64_t>() <= std::uint64_t{std::numeric_limits<std::int64_t>::max()});
    if (!fits) refuse(where, "an integer of 64 bits");
    return json.get<std::int64_t>();
  }

  DescribedInput input(const Json& json) const {
    expect_members(json, "an input", {"name", "shape", "dtype"});
    DescribedInput input{.name = text(json.at("name"), "an input's name"), .shape = {}, .dtype = {}};
    const std::string where = "input '" + input.name + "'";
    for (const Json& extent : array(json.at("shape"), "the shape of " + where))
      input.shape.push_back(integer(extent, "an extent of " + where));
    const std::string dtype = text(json.at("dtype"), "the dtype of " + where);
    if (dtype == "activations") return input;
    for (const DType known : {DType::f32, DType::f64, DType::bf16, DType::i64, DType::u8}) {
      if (name_of(known) == dtype) input.dtype = known;
    }
    require<DataError>(input.dtype.has_value(), "{}: the dtype of {} is '{}', which there is not.", source_, where, dtype);
    return input;
  }

  DescribedLayer layer(const Json& json) const {
    expect_members(json, "a layer", {"name", "type", "options", "inputs"});
    DescribedLayer layer{.name = text(json.at("name"), "a layer's name"), .type = {}, .options = {}, .inputs = {}};
    const std::string where = "layer '" + layer.name + "'";
    layer.type = text(json.at("type"), "the type of " + where);
    layer.options = options(json.at("options"), "the options of " + where, 0);
    for (const Json& one : array(json.at("inputs"), "the inputs of " + where)) layer.inputs.push_back(text(one, "an input of " + where));
    return layer;
  }

  Options options(const Json& json, const std::string& where, int depth) const {
    if (!json.is_object()) refuse(where, "an object");
    Options options;
    for (const auto& [name, value] : json.items()) options.set(name, option(value, fmt::format("{}: '{}'", where, name), depth));
    return options;
  }

  OptionValue option(const Json& json, const std::string& where, int depth) const {
    if (depth == deepest) refuse(where, "as flat as options are");
    if (json.is_boolean()) return {json.get<bool>()};
    if (json.is_string()) return {json.get<std::string>()};
    if (json.is_number_float()) return {json.get<double>()};
    if (json.is_number()) return {integer(json, where)};
    if (json.is_object()) return {options(json, where, depth + 1)};
    if (!json.is_array()) refuse(where, "an option");
    OptionList list;
    for (const Json& each : json) list.push_back(option(each, where, depth + 1));
    return {std::move(list)};
  }

  const std::string& source_;
};

}  // namespace

std::string json_of(const NetDescription& description) {
  Json inputs = Json::array(), layers = Json::array();
  for (const DescribedInput& input : description.inputs) {
    inputs.push_back({{"name", input.name},
                      {"shape", input.shape},
                      {"dtype", input.dtype ? std::string(name_of(*input.dtype)) : std::string("activations")}});
  }
  for (const DescribedLayer& layer : description.layers) {
    layers.push_back({{"name", layer.name}, {"type", layer.type}, {"options", json_of(layer.options)}, {"inputs", layer.inputs}});
  }
  return Json{{"version", version}, {"inputs", std::move(inputs)}, {"layers", std::move(layers)}}.dump();
}

NetDescription description_of_json(std::string_view text, const std::string& source) {
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {
    throw DataError(fmt::format("{}: the net's description is no JSON: {}.", source, error.what()));
  }
  return Reader(source).net(json);
}

}  // namespace amnet
