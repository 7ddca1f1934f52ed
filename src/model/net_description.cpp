#include <amnet/core/text.h>
#include <amnet/model/net_description.h>

#include "describing.h"

#include <algorithm>
#include <set>

namespace amnet {
namespace {

// The names of the inputs and layers that some values depend on.
std::set<std::string> needed_by(const NetDescription& description, const std::vector<std::string>& values) {
  std::set<std::string> needed;
  for (const std::string& value : values) {
    const std::string name = owner_of(value);
    const auto is_it = [&](const auto& one) { return one.name == name; };
    require<DataError>(std::ranges::any_of(description.layers, is_it) || std::ranges::any_of(description.inputs, is_it),
                       "[model] the net has no value '{}'.", value);
    needed.insert(name);
  }
  for (std::size_t i = description.layers.size(); i-- > 0;) {
    const DescribedLayer& layer = description.layers[i];
    if (!needed.contains(layer.name)) continue;
    for (const std::string& input : layer.inputs) needed.insert(owner_of(input));
  }
  return needed;
}

Options options_of(const NetLayer& one) {
  try {
    std::optional<Options> options = one.layer->options();
    require(options.has_value(), "a {} states no options, so its net cannot be described; give it options().", one.layer->type());
    return std::move(*options);
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("layer '{}': {}", one.name, error.what()));
  }
}

Net net_of(const NetDescription& description, const BuildOptions& options) {
  Net net(options.dtype);
  try {
    for (const DescribedInput& input : description.inputs) {
      const DType dtype = input.dtype.value_or(options.dtype);
      input.per_sample ? net.input(input.name, Shape(input.shape), dtype) : net.fixed_input(input.name, Shape(input.shape), dtype);
    }
    for (const DescribedLayer& layer : description.layers) {
      std::vector<Value> inputs;
      for (const std::string& input : layer.inputs) inputs.push_back(net.find(input));
      net.add(layer.name, make_layer(layer.type, layer.options, "layer '" + layer.name + "'", options.own), std::move(inputs));
    }
    check_roles(net, description.roles);
  } catch (const UsageError& error) {
    throw DataError(error.what());
  }
  return net;
}

// --- differences ---------------------------------------------------------------------------------------------

std::string difference(const Options& before, const Options& now, const std::string& path);

std::string difference(const OptionValue* before, const OptionValue* now, const std::string& path) {
  if (before != nullptr && now != nullptr) {
    const auto *one = std::get_if<Options>(&before->value), *other = std::get_if<Options>(&now->value);
    if (one != nullptr && other != nullptr) return difference(*one, *other, path + ".");
    if (*before == *now) return {};
  }
  return fmt::format("{} was {} but now it is {}", path, before != nullptr ? text_of(*before) : "not set",
                     now != nullptr ? text_of(*now) : "not set");
}

std::string difference(const Options& before, const Options& now, const std::string& path) {
  for (const auto& [name, value] : before.entries()) {
    if (std::string found = difference(&value, now.find(name), path + name); !found.empty()) return found;
  }
  for (const auto& [name, value] : now.entries()) {
    if (before.find(name) == nullptr) return difference(nullptr, &value, path + name);
  }
  return {};
}

std::string difference(const DescribedInput& before, const DescribedInput& now) {
  if (before.shape != now.shape) return fmt::format("its shape was {} but now it is {}", Shape(before.shape), Shape(now.shape));
  if (before.per_sample != now.per_sample) {
    return fmt::format("its first extent {} the batch but now it {}", before.per_sample ? "was" : "was not",
                       now.per_sample ? "is" : "is not");
  }
  const auto dtype = [](const DescribedInput& input) { return input.dtype ? name_of(*input.dtype) : "that of activations"; };
  return before.dtype == now.dtype ? "" : fmt::format("its dtype was {} but now it is {}", dtype(before), dtype(now));
}

std::string difference(const DescribedLayer& before, const DescribedLayer& now) {
  if (before.type != now.type) return fmt::format("it was a {} but now it is a {}", before.type, now.type);
  if (before.inputs != now.inputs) {
    return fmt::format("it read {} but now it reads {}", joined(before.inputs, ", "), joined(now.inputs, ", "));
  }
  return difference(before.options, now.options, "");
}

template <class Described>
std::string first_of(std::string_view kind, const std::vector<Described>& before, const std::vector<Described>& now) {
  const auto has = [](const std::vector<Described>& all, const std::string& name) {
    return std::ranges::find(all, name, &Described::name) != all.end();
  };
  for (std::size_t i = 0; i < std::max(before.size(), now.size()); ++i) {
    if (i < before.size() && !has(now, before[i].name)) return fmt::format("{} '{}' was there but now it is not", kind, before[i].name);
    if (i < now.size() && !has(before, now[i].name)) return fmt::format("{} '{}' was not there but now it is", kind, now[i].name);
    if (before[i].name != now[i].name) {
      return fmt::format("{} '{}' stood where now '{}' stands", kind, before[i].name, now[i].name);
    }
    if (const std::string found = difference(before[i], now[i]); !found.empty()) {
      return fmt::format("{} '{}': {}", kind, now[i].name, found);
    }
  }
  return {};
}

}  // namespace

std::string why_not_described(const Net& net) {
  for (const NetLayer& one : net.layers()) {
    try {
      static_cast<void>(options_of(one));
    } catch (const UsageError& error) {
      return error.what();
    }
  }
  return {};
}

NetDescription describe(const Net& net, Roles roles) {
  check_roles(net, roles);
  NetDescription description{.inputs = {}, .layers = {}, .roles = std::move(roles)};
  for (const NetInput& input : net.inputs()) {
    const Shape& shape = input.spec.shape;
    DescribedInput described{.name = input.name, .shape = {}, .dtype = {}, .per_sample = input.spec.per_sample};
    for (int i = 0; i < shape.rank(); ++i) described.shape.push_back(shape[i]);
    if (input.spec.dtype != net.dtype()) described.dtype = input.spec.dtype;
    description.inputs.push_back(std::move(described));
  }
  for (const NetLayer& one : net.layers()) {
    description.layers.push_back({one.name, std::string(one.layer->type()), options_of(one), one.inputs});
  }
  return description;
}

NetDescription part_of(const NetDescription& description, const std::vector<std::string>& values) {
  const std::set<std::string> needed = needed_by(description, values);
  const auto is_needed = [&](const auto& one) { return needed.contains(one.name); };
  NetDescription part{.inputs = {}, .layers = {}, .roles = {}};
  std::ranges::copy_if(description.inputs, std::back_inserter(part.inputs), is_needed);
  std::ranges::copy_if(description.layers, std::back_inserter(part.layers), is_needed);
  part.roles = roles_within(description.roles, [&](const std::string& owner) { return needed.contains(owner); });
  return part;
}

std::string first_difference(const NetDescription& before, const NetDescription& now) {
  const std::string of_inputs = first_of("input", before.inputs, now.inputs);
  return of_inputs.empty() ? first_of("layer", before.layers, now.layers) : of_inputs;
}

Net build_net(const NetDescription& description, const BuildOptions& options) {
  static_cast<void>(rows_with(options.own));
  return options.until.empty() ? net_of(description, options) : net_of(part_of(description, options.until), options);
}

}  // namespace amnet
