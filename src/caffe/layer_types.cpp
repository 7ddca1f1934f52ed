#include "layer_types.h"
#include "nearest_names.h"

#include <amnet/core/error.h>

#include <algorithm>

namespace amnet::caffe {

void check_layer_types(const CaffeNet& net, std::span<const std::string_view> known) {
  for (const CaffeLayer& layer : net.layers) {
    if (std::ranges::find(known, layer.type) != known.end()) continue;
    require<DataError>(!layer.type.empty(), "{}:{}: expected a type but layer '{}' has none.", net.file, layer.line, layer.name);
    throw DataError(fmt::format("{}:{}: layer '{}' is of type '{}', which amnet does not know; it knows {}.", net.file, layer.line,
                                layer.name, layer.type, nearest_names(layer.type, {known.begin(), known.end()})));
  }
}

}  // namespace amnet::caffe
