#include "describing.h"

#include <algorithm>

namespace amnet {
namespace {

const NetInput* input_named(const std::vector<NetInput>& inputs, std::string_view name) {
  const auto found = std::ranges::find(inputs, name, &NetInput::name);
  return found == inputs.end() ? nullptr : &*found;
}

void check_image(const NetInput& input, const ImageFormat& format) {
  check_image_format(format);
  const Shape& shape = input.spec.shape;
  require(shape.rank() == 4 && shape[1] == format.height && shape[2] == format.width && shape[3] == 3,
          "[model] the role 'image' says (N,{},{},3) but the input '{}' is {}.", format.height, format.width, input.name, shape);
}

bool has_value(const Net& net, const std::string& name) {
  try {
    static_cast<void>(net.find(name));
    return true;
  } catch (const UsageError&) {
    return false;
  }
}

bool has_parameter(const Net& net, std::string_view wanted) {
  bool found = false;
  net.look([&](const std::string& name, const Parameter&) { found = found || name == wanted; });
  return found;
}

}  // namespace

std::vector<std::pair<std::string_view, std::string>> named_roles(const Roles& roles) {
  std::vector<std::pair<std::string_view, std::string>> named;
  const auto add = [&](std::string_view role, const std::string& value) {
    if (!value.empty()) named.emplace_back(role, value);
  };
  if (roles.image) named.emplace_back("image", roles.image->input);
  add("labels", roles.labels);
  add("embedding", roles.embedding);
  add("loss", roles.loss);
  for (const MetricRole& metric : roles.metrics) named.emplace_back("metrics", metric.value);
  add("class_weights", roles.class_weights);
  return named;
}

Roles roles_within(const Roles& roles, const std::function<bool(const std::string& owner)>& is_there) {
  const auto kept = [&](const std::string& name) { return is_there(owner_of(name)) ? name : std::string(); };
  Roles within{.labels = kept(roles.labels),
               .embedding = kept(roles.embedding),
               .loss = kept(roles.loss),
               .class_weights = kept(roles.class_weights)};
  if (!within.class_weights.empty()) within.centres = roles.centres;
  if (roles.image && is_there(roles.image->input)) within.image = roles.image;
  std::ranges::copy_if(roles.metrics, std::back_inserter(within.metrics),
                       [&](const MetricRole& metric) { return is_there(owner_of(metric.value)); });
  return within;
}

void check_roles(const Net& net, const Roles& roles) {
  const std::vector<NetInput> inputs = net.inputs();
  for (const auto& [role, name] : named_roles(roles)) {
    const bool is_input = role == "image" || role == "labels";
    const NetInput* input = input_named(inputs, name);
    const bool found = is_input ? input != nullptr : role == "class_weights" ? has_parameter(net, name) : has_value(net, name);
    require(found, "[model] the role '{}' names the {} '{}', which the net does not have.", role,
            is_input                  ? "input"
            : role == "class_weights" ? "parameter"
                                      : "value",
            name);
    if (role == "image") check_image(*input, roles.image->format);
  }
}

}  // namespace amnet
