#include <amnet/model/net_description.h>

#include "describing.h"
#include "options_json.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace amnet {
namespace {

constexpr int version = 1;

// Writes JSON that Reader reads again.
class Writer {
 public:
  static Json net(const NetDescription& description) {
    Json inputs = Json::array(), layers = Json::array();
    for (const DescribedInput& input : description.inputs) {
      inputs.push_back(json_object({{"name", input.name},
                                    {"shape", input.shape},
                                    {"dtype", input.dtype ? std::string(name_of(*input.dtype)) : std::string("activations")}}));
      if (!input.per_sample) inputs.back()["per_sample"] = false;
    }
    for (const DescribedLayer& layer : description.layers) {
      const std::string where = "layer '" + layer.name + "'";
      layers.push_back(
          json_object({{"name", layer.name}, {"type", layer.type}, {"options", json_of(layer.options, where)}, {"inputs", layer.inputs}}));
    }
    return json_object(
        {{"version", version}, {"inputs", std::move(inputs)}, {"layers", std::move(layers)}, {"roles", roles(description.roles)}});
  }

 private:
  static Json roles(const Roles& roles) {
    Json image, metrics = Json::array();
    if (roles.image) {
      const ImageFormat& format = roles.image->format;
      image = json_object({{"input", roles.image->input},
                           {"height", format.height},
                           {"width", format.width},
                           {"order", std::string(name_of(format.order))},
                           {"mean", finite(format.mean, "the role 'image': 'mean'")},
                           {"scale", finite(format.scale, "the role 'image': 'scale'")}});
    }
    for (const MetricRole& metric : roles.metrics) metrics.push_back(json_object({{"name", metric.name}, {"value", metric.value}}));
    Json written = json_object({{"image", std::move(image)},
                                {"labels", roles.labels},
                                {"embedding", roles.embedding},
                                {"loss", roles.loss},
                                {"metrics", std::move(metrics)},
                                {"class_weights", roles.class_weights}});
    if (roles.centres != 1) written["centres"] = roles.centres;
    return written;
  }
};

// Reads JSON; errors in it are reported with the source and the place.
class Reader {
 public:
  explicit Reader(const std::string& source) : source_(source) {}

  NetDescription net(const Json& json) {
    expect_members(json, "the net", {"version", "inputs", "layers", "roles"});
    const std::int64_t found = integer(json_member(json, "version"), "the version");
    require<DataError>(found == version, "{}: the net's description is of version {} but this amnet knows {}.", source_, found, version);
    NetDescription description;
    for (const Json& each : array(json_member(json, "inputs"), "the inputs")) description.inputs.push_back(input(each));
    for (const Json& each : array(json_member(json, "layers"), "the layers")) description.layers.push_back(layer(each));
    description.roles = roles(json_member(json, "roles"));
    // When a part is built, the roles of the rest are left out: unknown names would not be noticed.
    const auto is_there = [&](const std::string& owner) {
      const auto is_it = [&](const auto& one) { return one.name == owner; };
      return std::ranges::any_of(description.inputs, is_it) || std::ranges::any_of(description.layers, is_it);
    };
    for (const auto& [role, name] : named_roles(description.roles)) {
      require<DataError>(is_there(owner_of(name)), "{}: the role '{}' names '{}', which the net does not have.", source_, role, name);
    }
    return description;
  }

 private:
  [[noreturn]] void refuse(const std::string& where, std::string_view expected) const {
    throw DataError(fmt::format("{}: {} in the net's description is not {}.", source_, where, expected));
  }

  void expect_members(const Json& json, const std::string& where, const std::vector<std::string>& members,
                      std::string_view optional = {}) const {
    if (!json.is_object()) refuse(where, "an object");
    for (const std::string& member : members) {
      require<DataError>(json.contains(member), "{}: {} in the net's description has no '{}'.", source_, where, member);
    }
    for (const auto& [name, value] : json.items()) {
      require<DataError>(name == optional || std::ranges::find(members, name) != members.end(),
                         "{}: {} in the net's description has an unknown member '{}'.", source_, where, name);
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
    if (!is_integer(json)) refuse(where, "an integer of 64 bits");
    return json.get<std::int64_t>();
  }

  double number(const Json& json, const std::string& where) const {
    if (!json.is_number()) refuse(where, "a number");
    return json.get<double>();
  }

  DescribedInput input(const Json& json) const {
    expect_members(json, "an input", {"name", "shape", "dtype"}, "per_sample");
    DescribedInput input{.name = text(json_member(json, "name"), "an input's name"), .shape = {}, .dtype = {}};
    const std::string where = "input '" + input.name + "'";
    if (const auto found = json.find("per_sample"); found != json.end()) {
      if (!found->is_boolean()) refuse("'per_sample' of " + where, "true or false");
      input.per_sample = found->get<bool>();
    }
    for (const Json& extent : array(json_member(json, "shape"), "the shape of " + where))
      input.shape.push_back(integer(extent, "an extent of " + where));
    const std::string dtype = text(json_member(json, "dtype"), "the dtype of " + where);
    if (dtype == "activations") return input;
    input.dtype = find_named<DType>(dtype);
    require<DataError>(input.dtype.has_value(), "{}: the dtype of {} is '{}', which there is not.", source_, where, dtype);
    return input;
  }

  DescribedLayer layer(const Json& json) const {
    expect_members(json, "a layer", {"name", "type", "options", "inputs"});
    DescribedLayer layer{.name = text(json_member(json, "name"), "a layer's name"), .type = {}, .options = {}, .inputs = {}};
    const std::string where = "layer '" + layer.name + "'";
    layer.type = text(json_member(json, "type"), "the type of " + where);
    const auto refuse_option = [this](const std::string& place, std::string_view expected) { refuse(place, expected); };
    layer.options = options_of_json(json_member(json, "options"), "the options of " + where, refuse_option);
    for (const Json& one : array(json_member(json, "inputs"), "the inputs of " + where))
      layer.inputs.push_back(text(one, "an input of " + where));
    return layer;
  }

  Roles roles(const Json& json) const {
    expect_members(json, "the roles", {"image", "labels", "embedding", "loss", "metrics", "class_weights"}, "centres");
    Roles roles{.image = {},
                .labels = text(json_member(json, "labels"), "the role 'labels'"),
                .embedding = text(json_member(json, "embedding"), "the role 'embedding'"),
                .loss = text(json_member(json, "loss"), "the role 'loss'"),
                .metrics = {},
                .class_weights = text(json_member(json, "class_weights"), "the role 'class_weights'")};
    if (const auto found = json.find("centres"); found != json.end()) {
      roles.centres = integer(*found, "the role 'centres'");
      if (roles.centres < 1) refuse("the role 'centres'", "an integer above 0");
    }
    if (!json_member(json, "image").is_null()) roles.image = image(json_member(json, "image"));
    for (const Json& each : array(json_member(json, "metrics"), "the role 'metrics'")) {
      expect_members(each, "a metric", {"name", "value"});
      roles.metrics.push_back({text(json_member(each, "name"), "a metric's name"), text(json_member(each, "value"), "a metric's value")});
    }
    return roles;
  }

  ImageRole image(const Json& json) const {
    expect_members(json, "the role 'image'", {"input", "height", "width", "order", "mean", "scale"});
    ImageRole image{.input = text(json_member(json, "input"), "the input of the images")};
    image.format.height = integer(json_member(json, "height"), "the height of the images");
    image.format.width = integer(json_member(json, "width"), "the width of the images");
    image.format.mean = number(json_member(json, "mean"), "the mean of the images");
    image.format.scale = number(json_member(json, "scale"), "the scale of the images");
    try {
      image.format.order =
          named<ChannelOrder>(text(json_member(json, "order"), "the channel order of the images"), "[image format] channel order");
      check_image_format(image.format);
    } catch (const UsageError& error) {
      throw DataError(fmt::format("{}: the role 'image': {}", source_, error.what()));
    }
    return image;
  }

  const std::string& source_;
};

}  // namespace

std::string json_of(const NetDescription& description) {
  try {
    return Writer::net(description).dump();
  } catch (const Json::type_error&) {
    throw UsageError("[model] a name or a text of the net is not UTF-8, as a description must be; give it another.");
  }
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
