#include "planning.h"

namespace amnet {
namespace {

// A plan slices what is per sample by its first extent, so that must be the batch.
void check_samples(const GraphNode& node, const LayerPlan& plan, std::int64_t batch) {
  const auto check = [&](const std::vector<TensorSpec>& specs, std::string_view what) {
    for (const TensorSpec& spec : specs) {
      require(!spec.per_sample || (spec.shape.rank() >= 1 && spec.shape[0] == batch),
              "layer '{}': [{}] setup answers {} {} that is per sample, but a batch of {} needs that as the first extent; say so with "
              "per_sample = false.",
              node.name, node.layer->type(), what, spec.shape, batch);
    }
  };
  check(plan.outputs, "an output");
  check(plan.saved, "a saved tensor");
  check(plan.for_backward, "a tensor for backward");
  check(plan.scratch, "a scratch tensor");
}

}  // namespace

std::vector<TensorSpec> PlanShapes::of(const std::vector<int>& some) const {
  std::vector<TensorSpec> specs;
  for (const int index : some) specs.push_back(value(index));
  return specs;
}

PlanShapes find_shapes(const Graph& graph, const PlanRequest& request, const Demand& demand) {
  PlanShapes shapes{.values = {}, .nodes = std::vector<LayerPlan>(graph.nodes.size())};
  for (const GraphValue& value : graph.values) shapes.values.push_back(value.spec);
  for (std::size_t v = 0; v < graph.values.size(); ++v) {
    if (graph.values[v].producer >= 0) continue;
    Shape& shape = shapes.values[v].shape;
    if (const auto other = request.inputs.find(static_cast<int>(v)); other != request.inputs.end()) shape = other->second;
    if (graph.values[v].spec.per_sample) shape = shape.with(0, request.batch);
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const GraphNode& node = graph.nodes[i];
    if (!demand.forward[i]) continue;
    shapes.nodes[i] = ask(node, [&](const Layer& layer) { return layer.setup(shapes.of(node.inputs)); });
    check_samples(node, shapes.nodes[i], request.batch);
    for (std::size_t which = 0; which < node.outputs.size(); ++which) {
      shapes.values[static_cast<std::size_t>(node.outputs[which])] = shapes.nodes[i].outputs[which];
    }
  }
  return shapes;
}

}  // namespace amnet
