// What a net is made of, as it was built: values and the layers between them. No shapes of a plan
// and no memory but the parameters'.
#pragma once

#include <amnet/layers/layer.h>
#include <amnet/layers/prepared_forms.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

namespace amnet {

/// Values and nodes are named by their place.
struct GraphValue {
  std::string name;
  TensorSpec spec;  // as it was built: the batch is a placeholder
  int producer;     // node, or -1 for an input
};

struct GraphNode {
  std::string name;
  std::unique_ptr<Layer> layer;
  std::vector<int> inputs;
  std::vector<int> outputs;
};

/// A net and its plans share it.
struct Graph {
  DType dtype = DType::f32;
  Memory memory = Memory::host;  // of parameters, and of what is planned
  std::vector<GraphValue> values = {};
  std::vector<GraphNode> nodes = {};  // in the order they run
  std::shared_mutex running = {};     // shared by those who only read parameters
  std::mutex preparing = {};          // of `prepared`
  PreparedForms prepared = {};

  const GraphValue& value(int index) const { return values[static_cast<std::size_t>(index)]; }
  const GraphNode& node(int index) const { return nodes[static_cast<std::size_t>(index)]; }
  /// The place of the value of that name. Throws UsageError when there is none.
  int find(std::string_view name) const {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i].name == name) return static_cast<int>(i);
    }
    throw UsageError(fmt::format("[net] there is no input or layer named '{}'.", name));
  }
};

/// Calls a function of the node's layer; a UsageError that it throws then names the node.
template <class Ask>
decltype(auto) ask(const GraphNode& node, Ask&& question) {
  try {
    return std::forward<Ask>(question)(*node.layer);
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("layer '{}': {}", node.name, error.what()));
  }
}

}  // namespace amnet
