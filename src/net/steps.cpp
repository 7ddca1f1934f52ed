#include "planning.h"

#include <amnet/layers/fusion.h>

#include <algorithm>
#include <bit>

namespace amnet {
namespace {

/// A group's tensors of one step should stay in the last-level cache until the next steps have read them.
constexpr std::int64_t group_bytes = 12 << 20;
/// A step whose parameters are large runs on all samples: it reads them once for every group.
constexpr std::int64_t parameter_bytes = group_bytes / 16;

// Joins a layer with those behind it as long as they can run as one step: each must be the only reader of a value that nobody wants
// to see, and read nothing else that is not there yet when the first one runs. `only_reader`: of a value the one node that reads it, or -1.
PlannedStep step_from(const Graph& graph, const Demand& demand, PlanShapes& shapes, int first, const std::vector<int>& only_reader) {
  const GraphNode& node = graph.node(first);
  const auto backward = [&](int index) { return demand.backward[static_cast<std::size_t>(index)] != 0; };
  PlannedStep step{
      .nodes = {first}, .layer = node.layer.get(), .inputs = node.inputs, .outputs = node.outputs, .backward = backward(first)};
  std::vector<Layer*> chain = {step.layer};
  std::vector<int> nodes = step.nodes, inputs = step.inputs, outputs = step.outputs;
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
    step.layer = fused.get();
    step.fused = std::move(fused);
    step.nodes = nodes;
    step.inputs = inputs;
    step.outputs = outputs;
  }
  step.input_specs = shapes.of(step.inputs);
  step.plan = step.fused != nullptr ? step.layer->setup(step.input_specs) : std::move(shapes.nodes[static_cast<std::size_t>(first)]);
  return step;
}

// How many samples should go through a step at a time: a power of two, or the batch.
std::int64_t group_of(const PlannedStep& step, std::int64_t batch) {
  if (!step.layer->sample_wise()) return batch;
  std::int64_t bytes = 0;
  bool by_sample = true;
  const auto count = [&](const TensorSpec& spec) {
    by_sample = by_sample && spec.per_sample && spec.shape.rank() >= 2;
    bytes += spec.shape.count() * static_cast<std::int64_t>(size_of(spec.dtype));
  };
  for (const TensorSpec& spec : step.input_specs) count(spec);
  for (const TensorSpec& spec : step.plan.outputs) count(spec);
  for (const TensorSpec& spec : step.plan.saved) count(spec);
  if (step.backward) {
    for (const TensorSpec& spec : step.plan.for_backward) count(spec);
  }
  std::int64_t parameters = 0;
  step.layer->look([&](const Parameter& parameter) { parameters += static_cast<std::int64_t>(parameter.value.size_bytes()); });
  if (!by_sample || parameters > parameter_bytes) return batch;
  const auto most = static_cast<std::uint64_t>(std::max<std::int64_t>(1, group_bytes / std::max<std::int64_t>(1, bytes / batch)));
  return std::min(batch, static_cast<std::int64_t>(std::bit_floor(most)));
}

// From the first step that wants all samples on, all do; before it, no group is larger than a later step's. A GPU, which few samples would
// not keep busy, gets all of them in every step.
void choose_groups(const Graph& graph, std::vector<PlannedStep>& steps, std::int64_t batch) {
  bool whole = graph.memory == Memory::cuda;
  for (PlannedStep& step : steps) {
    step.group = whole ? batch : group_of(step, batch);
    whole = step.group == batch;
  }
  std::int64_t next = batch;
  for (std::size_t i = steps.size(); i-- > 0;) next = steps[i].group = std::min(steps[i].group, next);
}

// Runs the steps [0, end) for the samples [from, to) of `all`.
void schedule(const std::vector<PlannedStep>& steps, std::int64_t all, std::size_t end, std::int64_t from, std::int64_t to,
              std::vector<ScheduledRun>& runs) {
  if (end == 0) return;
  const std::int64_t group = steps[end - 1].group;
  for (std::int64_t begin = from; begin < to; begin += group) {
    const std::int64_t stop = std::min(to, begin + group);
    schedule(steps, all, end - 1, begin, stop, runs);
    runs.push_back({static_cast<int>(end) - 1, begin, stop, begin == 0, stop == all});
  }
}

}  // namespace

std::vector<PlannedStep> make_steps(const Graph& graph, const PlanRequest& request, const Demand& demand, PlanShapes& shapes) {
  std::vector<int> only_reader(graph.values.size(), -1), readers(graph.values.size());
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!demand.forward[i]) continue;
    for (const int input : graph.nodes[i].inputs) {
      const auto v = static_cast<std::size_t>(input);
      only_reader[v] = ++readers[v] == 1 && !demand.readable[v] ? static_cast<int>(i) : -1;
    }
  }
  std::vector<PlannedStep> steps;
  std::vector<char> taken(graph.nodes.size());
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!demand.forward[i] || taken[i]) continue;
    steps.push_back(step_from(graph, demand, shapes, static_cast<int>(i), only_reader));
    for (const int member : steps.back().nodes) taken[static_cast<std::size_t>(member)] = 1;
  }
  choose_groups(graph, steps, request.batch);
  return steps;
}

std::vector<ScheduledRun> make_schedule(const std::vector<PlannedStep>& steps, std::int64_t samples) {
  std::vector<ScheduledRun> runs;
  schedule(steps, samples, steps.size(), 0, samples, runs);
  return runs;
}

}  // namespace amnet
