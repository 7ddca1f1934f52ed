#include "planning.h"

#include <algorithm>

namespace amnet {
namespace {

bool has_trainable(const Layer& layer) {
  bool trainable = false;
  layer.look([&](const Parameter& parameter) { trainable = trainable || parameter.trainable(); });
  return trainable;
}

bool any(const std::vector<int>& values, const std::vector<char>& flags) {
  return std::ranges::any_of(values, [&](int v) { return flags[static_cast<std::size_t>(v)] != 0; });
}

void set(const std::vector<int>& values, std::vector<char>& flags) {
  for (const int v : values) flags[static_cast<std::size_t>(v)] = 1;
}

}  // namespace

// A value gets a gradient if it lies between a trainable parameter and the loss.
Demand find_demand(const Graph& graph, const PlanRequest& request) {
  const std::size_t nodes = graph.nodes.size(), values = graph.values.size();
  Demand demand{.forward = std::vector<char>(nodes),
                .backward = std::vector<char>(nodes),
                .gradient = std::vector<char>(values),
                .readable = std::vector<char>(values)};
  std::vector<char> needed(values), reaches_loss(values);
  set(request.keep, needed);
  set(request.keep, demand.readable);
  if (request.loss >= 0) {
    for (std::vector<char>* flags : {&needed, &reaches_loss, &demand.readable}) set({request.loss}, *flags);
  }
  for (std::size_t i = nodes; i-- > 0;) {
    const GraphNode& node = graph.nodes[i];
    demand.forward[i] = any(node.outputs, needed);
    if (demand.forward[i]) set(node.inputs, needed);
    if (any(node.outputs, reaches_loss) && node.layer->differentiable()) set(node.inputs, reaches_loss);
  }
  std::vector<char> depends(values);  // on a trainable parameter
  for (std::size_t i = 0; i < nodes; ++i) {
    const GraphNode& node = graph.nodes[i];
    const bool learns = node.layer->differentiable() && (has_trainable(*node.layer) || any(node.inputs, depends));
    demand.backward[i] = demand.forward[i] && learns && any(node.outputs, reaches_loss);
    if (learns) set(node.outputs, depends);
  }
  for (std::size_t v = 0; v < values; ++v) {
    const GraphValue& value = graph.values[v];
    demand.gradient[v] = depends[v] && reaches_loss[v] && is_floating(value.spec.dtype);
    if (value.producer < 0) demand.readable[v] = 1;
  }
  return demand;
}

}  // namespace amnet
