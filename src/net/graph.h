// What a net is made of, as it was built: values and the layers between them. No plan and no memory.
#pragma once

#include <amnet/layers/layer.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace amnet {

/// Values and nodes are named by their place.
struct GraphValue {
  std::string name;
  TensorSpec spec;
  int producer;  // node, or -1 for an input
};

struct GraphNode {
  std::string name;
  std::unique_ptr<Layer> layer;
  std::vector<int> inputs;
  std::vector<int> outputs;
  LayerPlan plan = {};  // of the last setup
};

struct Graph {
  DType dtype;
  Memory memory = Memory::host;  // of parameters, and of what is planned
  std::vector<GraphValue> values;
  std::vector<GraphNode> nodes;  // in the order they run

  GraphValue& value(int index) { return values[static_cast<std::size_t>(index)]; }
  const GraphValue& value(int index) const { return values[static_cast<std::size_t>(index)]; }
  GraphNode& node(int index) { return nodes[static_cast<std::size_t>(index)]; }
  const GraphNode& node(int index) const { return nodes[static_cast<std::size_t>(index)]; }

  /// Asks the node's layer what it needs for its inputs as they are now. Throws UsageError that names the layer.
  LayerPlan setup(const GraphNode& node) const;
};

}  // namespace amnet
