#include <amnet/model/net_description.h>

#include <algorithm>
#include <set>

namespace amnet {
namespace {

/// "norm1" of "norm1:1".
std::string layer_of(const std::string& value) { return value.substr(0, value.find(':')); }

// The names of the inputs and layers that some values depend on.
std::set<std::string> needed_by(const NetDescription& description, const std::vector<std::string>& values) {
  std::set<std::string> needed;
  for (const std::string& value : values) {
    const std::string name = layer_of(value);
    const auto is_it = [&](const auto& one) { return one.name == name; };
    require<DataError>(std::ranges::any_of(description.layers, is_it) || std::ranges::any_of(description.inputs, is_it),
                       "[model] the net has no value '{}'.", value);
    needed.insert(name);
  }
  for (std::size_t i = description.layers.size(); i-- > 0;) {
    const DescribedLayer& layer = description.layers[i];
    if (!needed.contains(layer.name)) continue;
    for (const std::string& input : layer.inputs) needed.insert(layer_of(input));
  }
  return needed;
}

}  // namespace

NetDescription describe(const Net& net) {
  NetDescription description;
  for (const NetInput& input : net.inputs()) {
    const Shape& shape = input.spec.shape;
    DescribedInput described{.name = input.name, .shape = {}, .dtype = {}};
    for (int i = 0; i < shape.rank(); ++i) described.shape.push_back(shape[i]);
    if (input.spec.dtype != net.dtype()) described.dtype = input.spec.dtype;
    description.inputs.push_back(std::move(described));
  }
  for (const NetLayer& one : net.layers()) {
    std::optional<Options> options = one.layer->options();
    require(options.has_value(), "layer '{}': a {} states no options, so its net cannot be described; give it options().", one.name,
            one.layer->type());
    description.layers.push_back({one.name, std::string(one.layer->type()), std::move(*options), one.inputs});
  }
  return description;
}

Net build_net(const NetDescription& description, const BuildOptions& options) {
  const std::set<std::string> needed = needed_by(description, options.until);
  const auto is_wanted = [&](const std::string& name) { return options.until.empty() || needed.contains(name); };
  Net net(options.dtype);
  try {
    for (const DescribedInput& input : description.inputs) {
      if (is_wanted(input.name)) net.input(input.name, Shape(input.shape), input.dtype.value_or(options.dtype));
    }
    for (const DescribedLayer& layer : description.layers) {
      if (!is_wanted(layer.name)) continue;
      std::vector<Value> inputs;
      for (const std::string& input : layer.inputs) inputs.push_back(net.find(input));
      net.add(layer.name, make_layer(layer.type, layer.options, "layer '" + layer.name + "'", options.own), std::move(inputs));
    }
  } catch (const UsageError& error) {
    throw DataError(error.what());
  }
  return net;
}

}  // namespace amnet
