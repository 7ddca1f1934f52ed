#include "planning.h"

#include "layers/fusion.h"

#include <algorithm>
#include <bit>

namespace amnet {
namespace {

/// A group's tensors of one operation should stay in the last-level cache until the next operations
/// have read them. At full width stage 1 then processes four images at a time, stage 2 eight, and
/// an embedding of 32 images takes 26 MB of tensors instead of 70.
constexpr std::int64_t group_bytes = 12 << 20;
/// An operation whose parameters are large runs on all samples: it reads them once for every group.
constexpr std::int64_t parameter_bytes = group_bytes / 16;

// Joins a layer with those behind it as long as they can run as one operation: each must be the
// only reader of a value that is not read after the run, and must read nothing else that does not
// exist yet when the first one runs. `only_reader`: of a value the one node that reads it, or -1.
PlannedOperation operation_from(const Graph& graph, const Demand& demand, PlanShapes& shapes, int first,
                                const std::vector<int>& only_reader) {
  const GraphNode& node = graph.node(first);
  const auto backward = [&](int index) { return demand.backward[static_cast<std::size_t>(index)] != 0; };
  PlannedOperation operation{
      .nodes = {first}, .layer = node.layer.get(), .inputs = node.inputs, .outputs = node.outputs, .backward = backward(first)};
  std::vector<Layer*> chain = {operation.layer};
  std::vector<int> nodes = operation.nodes, inputs = operation.inputs, outputs = operation.outputs;
  while (outputs.size() == 1 && only_reader[static_cast<std::size_t>(outputs[0])] >= 0) {
    const int next = only_reader[static_cast<std::size_t>(outputs[0])];
    const GraphNode& reader = graph.node(next);
    const auto late = [&](int value) { return value != outputs[0] && graph.value(value).producer >= nodes[0]; };
    if (std::ranges::any_of(reader.inputs, late) || backward(next) != backward(first)) break;
    for (const int input : reader.inputs) {
      if (input != outputs[0]) inputs.push_back(input);
    }
    nodes.push_back(next);
    outputs = reader.outputs;
    chain.push_back(reader.layer.get());
    std::unique_ptr<Layer> fused = fuse(chain, inputs.size());
    if (fused == nullptr) break;
    operation.layer = fused.get();
    operation.fused = std::move(fused);
    operation.nodes = nodes;
    operation.inputs = inputs;
    operation.outputs = outputs;
  }
  operation.input_specs = shapes.of(operation.inputs);
  operation.plan =
      operation.fused != nullptr ? operation.layer->setup(operation.input_specs) : std::move(shapes.nodes[static_cast<std::size_t>(first)]);
  return operation;
}

// How many samples should go through an operation at a time: a power of two, or the batch.
std::int64_t group_of(const PlannedOperation& operation, std::int64_t batch) {
  if (!operation.layer->sample_wise()) return batch;
  std::int64_t bytes = 0;
  bool by_sample = true;
  const auto count = [&](const TensorSpec& spec) {
    by_sample = by_sample && spec.per_sample && spec.shape.rank() >= 2;
    bytes += spec.shape.count() * static_cast<std::int64_t>(size_of(spec.dtype));
  };
  for (const TensorSpec& spec : operation.input_specs) count(spec);
  for (const TensorSpec& spec : operation.plan.outputs) count(spec);
  for (const TensorSpec& spec : operation.plan.saved) count(spec);
  if (operation.backward) {
    for (const TensorSpec& spec : operation.plan.for_backward) count(spec);
  }
  std::int64_t parameters = 0;
  operation.layer->look([&](const Parameter& parameter) { parameters += static_cast<std::int64_t>(parameter.value.size_bytes()); });
  if (!by_sample || parameters > parameter_bytes) return batch;
  const auto most = static_cast<std::uint64_t>(std::max<std::int64_t>(1, group_bytes / std::max<std::int64_t>(1, bytes / batch)));
  return std::min(batch, static_cast<std::int64_t>(std::bit_floor(most)));
}

// From the first operation that needs all samples on, all take them; before it, no group is larger
// than a later operation's. A GPU, which few samples would not keep busy, gets all of them in every
// operation.
void choose_groups(const Graph& graph, std::vector<PlannedOperation>& operations, std::int64_t batch) {
  bool whole = graph.memory == Memory::cuda;
  for (PlannedOperation& operation : operations) {
    operation.group = whole ? batch : group_of(operation, batch);
    whole = operation.group == batch;
  }
  std::int64_t next = batch;
  for (std::size_t i = operations.size(); i-- > 0;) next = operations[i].group = std::min(operations[i].group, next);
}

// Runs the operations [0, end) for the samples [from, to) of `all`.
void schedule(const std::vector<PlannedOperation>& operations, std::int64_t all, std::size_t end, std::int64_t from, std::int64_t to,
              std::vector<ScheduledRun>& runs) {
  if (end == 0) return;
  const std::int64_t group = operations[end - 1].group;
  for (std::int64_t begin = from; begin < to; begin += group) {
    const std::int64_t stop = std::min(to, begin + group);
    schedule(operations, all, end - 1, begin, stop, runs);
    runs.push_back({static_cast<int>(end) - 1, begin, stop, begin == 0, stop == all});
  }
}

}  // namespace

std::vector<PlannedOperation> make_operations(const Graph& graph, const PlanRequest& request, const Demand& demand, PlanShapes& shapes) {
  std::vector<int> only_reader(graph.values.size(), -1), readers(graph.values.size());
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!demand.forward[i]) continue;
    for (const int input : graph.nodes[i].inputs) {
      const auto v = static_cast<std::size_t>(input);
      only_reader[v] = ++readers[v] == 1 && !demand.readable[v] ? static_cast<int>(i) : -1;
    }
  }
  std::vector<PlannedOperation> operations;
  std::vector<char> taken(graph.nodes.size());
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!demand.forward[i] || taken[i]) continue;
    operations.push_back(operation_from(graph, demand, shapes, static_cast<int>(i), only_reader));
    for (const int member : operations.back().nodes) taken[static_cast<std::size_t>(member)] = 1;
  }
  choose_groups(graph, operations, request.batch);
  return operations;
}

std::vector<ScheduledRun> make_schedule(const std::vector<PlannedOperation>& operations, std::int64_t samples) {
  std::vector<ScheduledRun> runs;
  schedule(operations, samples, operations.size(), 0, samples, runs);
  return runs;
}

}  // namespace amnet
