// What the descriptions of a net share: names and roles.
#pragma once

#include <amnet/model/layer_types.h>
#include <amnet/model/model.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace amnet {

/// "norm1" of the value "norm1:1", "fc" of the parameter "fc.weight".
inline std::string owner_of(std::string_view name) { return std::string(name.substr(0, name.find_first_of(":."))); }

/// The roles that are set: ("embedding", "features").
std::vector<std::pair<std::string_view, std::string>> named_roles(const Roles& roles);

/// Those whose input or layer there is.
Roles roles_within(const Roles& roles, const std::function<bool(const std::string& owner)>& is_there);

/// Throws UsageError that names a role whose value, or parameter, the net does not have, or does
/// not have as the role needs it.
void check_roles(const Net& net, const Roles& roles);

/// Why the net cannot be described, as a sentence that names the layer; empty where it can.
std::string why_not_described(const Net& net);

/// The rows of amnet's own layers and these. Throws UsageError where two have one name.
std::vector<const LayerType*> rows_with(std::span<const LayerType> own);

}  // namespace amnet
