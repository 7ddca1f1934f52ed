#include "planning.h"

namespace amnet {
namespace {

constexpr std::size_t alignment = 64;  // of each gradient, in bytes

// How an operation's backward pass writes the gradient of each input: the first writer assigns,
// later ones add. Whether any operation writes the gradient of an operation's output is known once
// all later operations have been seen.
std::vector<OperationWrites> find_writes(const Graph& graph, const PlanRequest& request, const Demand& demand,
                                         const std::vector<PlannedOperation>& operations) {
  std::vector<OperationWrites> writes(operations.size());
  std::vector<char> written(graph.values.size());
  written[static_cast<std::size_t>(request.loss)] = 1;
  for (std::size_t i = operations.size(); i-- > 0;) {
    if (!operations[i].backward) continue;
    for (const int output : operations[i].outputs) writes[i].outputs.push_back(written[static_cast<std::size_t>(output)]);
    for (const int input : operations[i].inputs) {
      const auto v = static_cast<std::size_t>(input);
      writes[i].inputs.push_back(!demand.gradient[v] ? Write::skip : written[v] ? Write::add : Write::assign);
      if (demand.gradient[v]) written[v] = 1;
    }
  }
  return writes;
}

// Places the gradients of all trainable parameters: those of the operations in the order in which
// backward finishes them, which is that of the operations, reversed; then those that the loss does
// not depend on, which stay zero.
void place_parameter_gradients(const Graph& graph, NetPlan& plan) {
  std::vector<std::pair<const Parameter*, std::size_t>> places;
  std::size_t end = 0;
  plan.parameters.resize(plan.operations.size());
  const auto place = [&](const Layer& layer) {
    layer.look([&](const Parameter& parameter) {
      if (!parameter.trainable() || plan.gradient_of.contains(&parameter)) return;
      require(parameter.value.dtype() == exact_dtype(graph.dtype), "[net] the {} of a {} is {} but this net's parameters are {}.",
              parameter.name, layer.type(), name_of(parameter.value.dtype()), name_of(exact_dtype(graph.dtype)));
      plan.gradient_of[&parameter] = {};
      places.emplace_back(&parameter, end);
      end += (parameter.value.size_bytes() + alignment - 1) / alignment * alignment;
    });
  };
  for (std::size_t i = plan.operations.size(); i-- > 0;) {
    plan.parameters[i].begin = end;
    if (plan.operations[i].backward) place(*plan.operations[i].layer);
    plan.parameters[i].end = end;
  }
  for (const GraphNode& node : graph.nodes) place(*node.layer);

  const DType dtype = exact_dtype(graph.dtype);
  const std::shared_ptr<std::byte> block = allocate(graph.memory, end);
  // (elements)
  plan.gradients = Tensor({static_cast<std::int64_t>(end / size_of(dtype))}, dtype, block, graph.memory);
  plan.gradients.clear();
  for (const auto& [parameter, begin] : places) {
    plan.gradient_of[parameter] =
        Tensor(parameter->value.shape(), dtype, std::shared_ptr<std::byte>(block, block.get() + begin), graph.memory);
  }
  for (std::size_t i = 0; i < plan.operations.size(); ++i) {
    if (!plan.operations[i].backward) continue;
    plan.operations[i].layer->look([&](const Parameter& parameter) {
      if (parameter.trainable()) plan.parameters[i].gradients.push_back({&parameter, plan.gradient_of.at(&parameter)});
    });
  }
}

}  // namespace

NetPlan make_plan(const Graph& graph, const PlanRequest& request) {
  const Demand demand = find_demand(graph, request);
  PlanShapes shapes = find_shapes(graph, request, demand);
  if (request.trains()) {
    const Shape& loss = shapes.value(request.loss).shape;
    require(loss.count() == 1, "[net] the loss '{}' is {} but must have one element.", graph.value(request.loss).name, loss);
  }
  NetPlan plan{.batch = request.batch, .operations = make_operations(graph, request, demand, shapes)};
  plan.layout = lay_out(graph, request, demand, shapes, plan.operations);
  if (request.only_measured) return plan;
  plan.readable.resize(graph.values.size());
  for (std::size_t v = 0; v < graph.values.size(); ++v) {
    if (demand.readable[v]) plan.readable[v] = plan.layout.values[v].tensor;
  }
  if (request.trains()) {
    place_parameter_gradients(graph, plan);
    plan.loss_gradient = plan.layout.gradients[static_cast<std::size_t>(request.loss)].tensor;
    plan.writes = find_writes(graph, request, demand, plan.operations);
  }
  plan.runs = make_runs(plan, request.batch);
  return plan;
}

std::vector<PlannedRun> make_runs(const NetPlan& plan, std::int64_t samples) {
  std::vector<PlannedRun> runs;
  for (const ScheduledRun& at : make_schedule(plan.operations, samples)) {
    const auto i = static_cast<std::size_t>(at.operation);
    const PlannedOperation& operation = plan.operations[i];
    const Layout::OfOperation& own = plan.layout.operations[i];
    const auto parts = [&](const std::vector<PlacedTensor>& placed) {
      std::vector<Tensor> tensors;
      for (const PlacedTensor& one : placed) tensors.push_back(one.of(at));
      return tensors;
    };
    const auto of_values = [&](const std::vector<int>& values) {
      std::vector<Tensor> tensors;
      for (const int v : values) tensors.push_back(plan.layout.values[static_cast<std::size_t>(v)].of(at));
      return tensors;
    };
    PlannedRun run{.at = at,
                   .inputs = of_values(operation.inputs),
                   .outputs = of_values(operation.outputs),
                   .saved = parts(own.saved),
                   .for_backward = parts(own.for_backward),
                   .scratch = parts(own.scratch)};
    run.backward_inputs.resize(run.inputs.size());
    run.backward_outputs.resize(run.outputs.size());
    run.input_gradients.resize(run.inputs.size());
    if (!plan.writes.empty() && operation.backward) {
      const BackwardNeeds needs = operation.layer->needs();
      if (needs.inputs) run.backward_inputs = run.inputs;
      if (needs.outputs) run.backward_outputs = run.outputs;
      const OperationWrites& writes = plan.writes[i];
      for (std::size_t k = 0; k < operation.outputs.size(); ++k) {
        const PlacedTensor& gradient = plan.layout.gradients[static_cast<std::size_t>(operation.outputs[k])];
        run.output_gradients.push_back(writes.outputs[k] ? gradient.of(at) : Tensor{});
      }
      for (std::size_t k = 0; k < operation.inputs.size(); ++k) {
        if (writes.inputs[k] == Write::skip) continue;
        run.input_gradients[k] = {plan.layout.gradients[static_cast<std::size_t>(operation.inputs[k])].of(at), writes.inputs[k]};
      }
    }
    runs.push_back(std::move(run));
  }
  return runs;
}

}  // namespace amnet
