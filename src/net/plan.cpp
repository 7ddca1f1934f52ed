#include "plan.h"

namespace amnet {
namespace {

void set_shapes(Graph& graph, const PlanRequest& request, const Demand& demand) {
  for (GraphValue& value : graph.values) {
    if (value.producer < 0) value.spec.shape = value.spec.shape.with(0, request.batch);
  }
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    GraphNode& node = graph.nodes[i];
    if (!demand.forward[i]) continue;
    node.layer->forget();
    node.plan = graph.setup(node);
    for (std::size_t which = 0; which < node.outputs.size(); ++which) graph.value(node.outputs[which]).spec = node.plan.outputs[which];
  }
}

void allocate_parameter_gradients(Graph& graph) {
  for (GraphNode& node : graph.nodes) {
    node.layer->visit([&graph](Parameter& parameter) {
      if (!parameter.trainable()) {
        parameter.gradient = {};
      } else if (!parameter.gradient.defined()) {
        parameter.gradient = Tensor::zeros(parameter.value.shape(), parameter.value.dtype(), graph.memory);
      }
    });
  }
}

// How a step's backward pass writes the gradient of each input: the first writer assigns, later ones add. `written`: of each value.
std::vector<Write> gradient_writes(const PlannedStep& step, const Demand& demand, std::vector<char>& written) {
  std::vector<Write> writes;
  for (const int input : step.inputs) {
    const auto v = static_cast<std::size_t>(input);
    writes.push_back(!demand.gradient[v] ? Write::skip : written[v] ? Write::add : Write::assign);
    if (demand.gradient[v]) written[v] = 1;
  }
  return writes;
}

}  // namespace

NetPlan make_plan(Graph& graph, const PlanRequest& request) {
  const Demand demand = find_demand(graph, request);
  set_shapes(graph, request, demand);
  if (request.loss >= 0) {
    const GraphValue& loss = graph.value(request.loss);
    require(loss.spec.shape.count() == 1, "[net] the loss '{}' is {} but must have one element.", loss.name, loss.spec.shape);
  }
  NetPlan plan{.loss = request.loss, .batch = request.batch, .steps = make_steps(graph, request, demand)};
  const Layout layout = lay_out(graph, request, demand, plan.steps);
  plan.bytes = layout.bytes;
  if (request.only_measured) return plan;
  plan.readable.resize(graph.values.size());
  for (std::size_t v = 0; v < graph.values.size(); ++v) {
    if (demand.readable[v]) plan.readable[v] = layout.values[v].tensor;
  }

  const bool trains = request.loss >= 0;
  std::vector<std::vector<Write>> writes(plan.steps.size());
  std::vector<char> written(graph.values.size());
  if (trains) {
    allocate_parameter_gradients(graph);
    plan.loss_gradient = layout.gradients[static_cast<std::size_t>(request.loss)].tensor;
    written[static_cast<std::size_t>(request.loss)] = 1;
  }
  // Whether anybody writes the gradient of a step's output is known once all later steps have been seen.
  std::vector<std::vector<char>> output_written(plan.steps.size());
  for (std::size_t i = plan.steps.size(); i-- > 0 && trains;) {
    if (!plan.steps[i].backward) continue;
    for (const int output : plan.steps[i].outputs) output_written[i].push_back(written[static_cast<std::size_t>(output)]);
    writes[i] = gradient_writes(plan.steps[i], demand, written);
  }

  for (const ScheduledRun& at : make_schedule(plan.steps, request.batch)) {
    const auto i = static_cast<std::size_t>(at.step);
    const PlannedStep& step = plan.steps[i];
    const auto part = [&](const PlacedTensor& placed) { return placed.of(step, at, request.batch); };
    const auto parts = [&](const std::vector<PlacedTensor>& placed) {
      std::vector<Tensor> tensors;
      for (const PlacedTensor& one : placed) tensors.push_back(part(one));
      return tensors;
    };
    const auto of_values = [&](const std::vector<int>& values) {
      std::vector<Tensor> tensors;
      for (const int v : values) tensors.push_back(part(layout.values[static_cast<std::size_t>(v)]));
      return tensors;
    };
    PlannedRun run{.at = at,
                   .inputs = of_values(step.inputs),
                   .outputs = of_values(step.outputs),
                   .saved = parts(layout.steps[i].saved),
                   .for_backward = parts(layout.steps[i].for_backward),
                   .scratch = parts(layout.steps[i].scratch)};
    run.backward_inputs.resize(run.inputs.size());
    run.backward_outputs.resize(run.outputs.size());
    run.input_gradients.resize(run.inputs.size());
    if (trains && step.backward) {
      const BackwardNeeds needs = step.layer->needs();
      if (needs.inputs) run.backward_inputs = run.inputs;
      if (needs.outputs) run.backward_outputs = run.outputs;
      for (std::size_t k = 0; k < step.outputs.size(); ++k) {
        const PlacedTensor& gradient = layout.gradients[static_cast<std::size_t>(step.outputs[k])];
        run.output_gradients.push_back(output_written[i][k] ? part(gradient) : Tensor{});
      }
      for (std::size_t k = 0; k < step.inputs.size(); ++k) {
        if (writes[i][k] == Write::skip) continue;
        run.input_gradients[k] = {part(layout.gradients[static_cast<std::size_t>(step.inputs[k])]), writes[i][k]};
      }
    }
    plan.runs.push_back(std::move(run));
  }
  return plan;
}

}  // namespace amnet
