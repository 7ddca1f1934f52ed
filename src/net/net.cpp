#include "plan.h"

#include <amnet/kernels/fill.h>
#include <amnet/kernels/finite.h>
#include <amnet/net/net.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace amnet {
namespace {

/// "layer 'conv1_1'", "layers 'conv1_1' to 'relu1_1'".
std::string name_of(const Graph& graph, const PlannedStep& step) {
  const std::string& first = graph.node(step.nodes.front()).name;
  return step.nodes.size() == 1 ? fmt::format("layer '{}'", first)
                                : fmt::format("layers '{}' to '{}'", first, graph.node(step.nodes.back()).name);
}

/// Runs a part of a step, so that an error of the device or for want of memory names it.
template <class Body>
void naming(const Graph& graph, const PlannedStep& step, Body&& body) {
  const auto named = [&](const Error& error) { return fmt::format("{}: {}", name_of(graph, step), error.what()); };
  try {
    body();
  } catch (const DeviceError& error) {
    throw DeviceError(named(error));
  } catch (const DeviceMemoryError& error) {
    throw DeviceMemoryError(named(error), error.wanted, error.free);
  } catch (const MemoryError& error) {
    throw MemoryError(named(error));
  }
}

void draw(Parameter& parameter, const std::string& name, std::uint64_t seed) {
  const Random random(seed, stream_of(name));
  const Tensor value(parameter.value.shape(), parameter.value.dtype());
  with_float(value.dtype(), name, [&]<class T>() {
    const std::span<T> elements = value.data<T>();
    const double fan_in = static_cast<double>(value.count()) / static_cast<double>(std::max<std::int64_t>(1, value.extent(0)));
    const double bound = std::sqrt(3 / fan_in);
    for (std::size_t i = 0; i < elements.size(); ++i) {
      switch (parameter.filler.kind) {
        case Filler::Kind::constant: elements[i] = static_cast<T>(parameter.filler.value); break;
        case Filler::Kind::xavier: elements[i] = static_cast<T>(random.uniform(i, -bound, bound)); break;
        case Filler::Kind::gaussian: elements[i] = static_cast<T>(parameter.filler.value * random.normal(i)); break;
      }
    }
  });
  parameter.value.copy_from(value);
}

// Calls use(name, parameter of `to`, the one of that name in `from` or nullptr); shapes are found equal first.
template <class Use>
void pair_parameters(Net& from, Net& to, Use&& use) {
  std::map<std::string, Parameter*> sources;
  from.visit([&](const std::string& name, Parameter& parameter) { sources.emplace(name, &parameter); });
  to.visit([&](const std::string& name, Parameter& parameter) {
    const auto found = sources.find(name);
    const Parameter* source = found == sources.end() ? nullptr : found->second;
    require(source == nullptr || source->value.shape() == parameter.value.shape(), "[net] '{}' is {} in the source but {} here.", name,
            source == nullptr ? Shape{} : source->value.shape(), parameter.value.shape());
    use(name, parameter, source);
  });
}

PlanRequest request_of(std::int64_t batch, Value loss, const std::vector<Value>& keep) {
  require(batch >= 1, "[net] expected a batch of at least 1 but got {}.", batch);
  PlanRequest request{.batch = batch, .loss = loss.index, .keep = {}};
  for (const Value value : keep) request.keep.push_back(value.index);
  return request;
}

std::size_t kernel_bytes_of(const NetPlan& plan, Device& device) {
  ScratchBytes scratch;
  std::size_t prepared = 0;
  for (const PlannedStep& step : plan.steps) {
    scratch = scratch.covering(step.layer->kernel_scratch(device, step.backward));
    if (step.group == plan.batch && !plan.prepared) continue;
    prepared += step.layer->prepared_bytes(device, Pass::forward);
    if (step.backward) prepared += step.layer->prepared_bytes(device, Pass::backward);
  }
  return prepared + on(device, [&](auto& backend) { return scratch.total(backend.threads()); });
}

void require_loss(Value loss) { require(loss.index >= 0, "[net] a training plan needs the value of the loss."); }

}  // namespace

Net::Net(DType dtype)
    : graph_(std::make_unique<Graph>(Graph{.dtype = dtype, .values = {}, .nodes = {}})), plan_(std::make_unique<NetPlan>()) {}
Net::~Net() = default;
Net::Net(Net&&) noexcept = default;
Net& Net::operator=(Net&&) noexcept = default;

DType Net::dtype() const { return graph_->dtype; }
TensorSpec Net::spec(Value value) const { return graph_->value(value.index).spec; }

// --- building ------------------------------------------------------------------------------------------------

LayerPlan Graph::setup(const GraphNode& node) const {
  std::vector<TensorSpec> specs;
  for (const int input : node.inputs) specs.push_back(value(input).spec);
  try {
    return node.layer->setup(specs);
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("layer '{}': {}", node.name, error.what()));
  }
}

void Net::require_new_name(std::string_view name) const {
  require(!name.empty() && name.find_first_of(". \t\n") == std::string_view::npos,
          "[net] the name '{}' must not be empty nor hold a dot or a space: parameters are called layer.parameter.", name);
  for (const GraphValue& value : graph_->values) {
    require(value.name != name, "[net] the name '{}' is taken; every input and layer needs its own.", name);
  }
}

Value Net::input(std::string name, Shape shape, DType dtype) {
  require_new_name(name);
  require(shape.rank() >= 1, "[net] input '{}' needs the batch as its first extent.", name);
  graph_->values.push_back({.name = std::move(name), .spec = {shape, dtype}, .producer = -1});
  return {static_cast<int>(graph_->values.size()) - 1};
}

Value Net::add_layer(std::string name, std::unique_ptr<Layer> layer, std::vector<Value> inputs) {
  require_new_name(name);
  GraphNode node{.name = name, .layer = std::move(layer), .inputs = {}, .outputs = {}};
  for (const Value input : inputs) {
    require(input.index >= 0 && static_cast<std::size_t>(input.index) < graph_->values.size(),
            "[net] layer '{}' reads a value that this net does not have.", name);
    node.inputs.push_back(input.index);
  }
  node.plan = graph_->setup(node);
  for (std::size_t which = 0; which < node.plan.outputs.size(); ++which) {
    node.outputs.push_back(static_cast<int>(graph_->values.size()));
    graph_->values.push_back({.name = which == 0 ? name : fmt::format("{}:{}", name, which),
                              .spec = node.plan.outputs[which],
                              .producer = static_cast<int>(graph_->nodes.size())});
  }
  graph_->nodes.push_back(std::move(node));
  return {graph_->nodes.back().outputs.front()};
}

Value Net::output(Value first, int which) const {
  const GraphValue& value = graph_->value(first.index);
  require(value.producer >= 0, "[net] '{}' is an input and has no outputs.", value.name);
  const GraphNode& node = graph_->node(value.producer);
  require(which >= 0 && static_cast<std::size_t>(which) < node.outputs.size(), "[net] layer '{}' has {} output(s), not an output {}.",
          node.name, node.outputs.size(), which);
  return {node.outputs[static_cast<std::size_t>(which)]};
}

Value Net::find(std::string_view name) const {
  for (std::size_t i = 0; i < graph_->values.size(); ++i) {
    if (graph_->values[i].name == name) return {static_cast<int>(i)};
  }
  throw UsageError(fmt::format("[net] there is no input or layer named '{}'.", name));
}

// --- parameters ----------------------------------------------------------------------------------------------

void Net::visit(const NamedParameterVisitor& visitor) {
  for (GraphNode& node : graph_->nodes) {
    node.layer->visit([&](Parameter& parameter) { visitor(node.name + "." + parameter.name, parameter); });
  }
}

void Net::initialise(std::uint64_t seed) {
  visit([&](const std::string& name, Parameter& parameter) { draw(parameter, name, seed); });
}

std::int64_t Net::parameter_count() {
  std::int64_t count = 0;
  visit([&](const std::string&, Parameter& parameter) { count += parameter.buffer ? 0 : parameter.value.count(); });
  return count;
}

std::size_t Net::parameter_bytes() {
  std::size_t bytes = 0;
  visit([&](const std::string&, Parameter& parameter) { bytes += parameter.value.size_bytes(); });
  return bytes;
}

std::size_t Net::gradient_bytes() {
  std::size_t bytes = 0;
  visit([&](const std::string&, Parameter& parameter) { bytes += parameter.trainable() ? parameter.value.size_bytes() : 0; });
  return bytes;
}

// --- placing -------------------------------------------------------------------------------------------------

void Net::move_to(Memory memory) {
  *plan_ = {};
  graph_->memory = memory;
  for (GraphNode& node : graph_->nodes) {
    node.layer->forget();
    node.layer->visit([memory](Parameter& parameter) {
      parameter.value = parameter.value.to(memory);
      if (parameter.gradient.defined()) parameter.gradient = parameter.gradient.to(memory);
    });
  }
}

Memory Net::memory() const { return graph_->memory; }

// --- planning ------------------------------------------------------------------------------------------------

void Net::set_input_shape(Value input, Shape shape) {
  GraphValue& value = graph_->value(input.index);
  require(value.producer < 0, "[net] '{}' is no input.", value.name);
  require(shape.rank() == value.spec.shape.rank(), "[net] input '{}' is {} and cannot become {}.", value.name, value.spec.shape, shape);
  value.spec.shape = shape;
}

void Net::plan_training(std::int64_t batch, Value loss, std::vector<Value> keep) {
  require_loss(loss);
  plan(batch, loss, keep);
}

void Net::plan_inference(std::int64_t batch, std::vector<Value> keep) { plan(batch, Value{}, keep); }

void Net::plan(std::int64_t batch, Value loss, const std::vector<Value>& keep) {
  const PlanRequest request = request_of(batch, loss, keep);
  *plan_ = {};  // its memory first
  *plan_ = make_plan(*graph_, request);
}

PlanBytes Net::measure_training(Device& device, std::int64_t batch, Value loss, std::vector<Value> keep) {
  require_loss(loss);
  return measure(device, batch, loss, keep);
}

PlanBytes Net::measure_inference(Device& device, std::int64_t batch, std::vector<Value> keep) {
  return measure(device, batch, Value{}, keep);
}

PlanBytes Net::measure(Device& device, std::int64_t batch, Value loss, const std::vector<Value>& keep) {
  PlanRequest request = request_of(batch, loss, keep);
  request.only_measured = true;
  *plan_ = {};  // the layers are set up for this batch from here on
  const NetPlan plan = make_plan(*graph_, request);
  return {.values = plan.bytes, .kernels = kernel_bytes_of(plan, device)};
}

std::size_t Net::planned_bytes() const { return plan_->bytes; }

std::size_t Net::kernel_bytes(Device& device) const { return kernel_bytes_of(*plan_, device); }

std::vector<NetStep> Net::steps() const {
  std::vector<NetStep> steps;
  for (const PlannedStep& step : plan_->steps) {
    steps.push_back({.layers = {}, .samples = step.group});
    for (const int node : step.nodes) steps.back().layers.push_back(graph_->node(node).name);
  }
  return steps;
}

// --- running -------------------------------------------------------------------------------------------------

const Tensor& Net::value(Value value) const {
  const auto index = static_cast<std::size_t>(value.index);
  require(index < plan_->readable.size() && plan_->readable[index].defined(),
          "[net] '{}' is not kept by the current plan; name it in `keep`.", graph_->values[index].name);
  return plan_->readable[index];
}

void Net::prepare(Context& context) {
  require(plan_->loss < 0, "[net] a training plan changes its parameters; prepare is for inference.");
  require_here(context);
  for (const PlannedStep& step : plan_->steps) step.layer->prepare(context, Pass::forward);
  plan_->prepared = true;
}

// A step that runs in groups has its parameters prepared once for all of them.
void Net::forward_run(Context& context, const PlannedRun& run) {
  const PlannedStep& step = plan_->step(run);
  naming(*graph_, step, [&] {
    if (run.at.first && !run.at.last && !plan_->prepared) step.layer->prepare(context, Pass::forward);
    step.layer->forward(run.forward_args(context));
  });
}

void Net::require_here(const Context& context) const {
  require(memory_of(context.device) == graph_->memory,
          "[net] the net's tensors and the device that is to compute are not in one memory; call move_to(memory_of(device)) first.");
}

void Net::forward(Context& context) {
  require_here(context);
  for (const PlannedRun& run : plan_->runs) forward_run(context, run);
}

void Net::backward(Context& context, Write parameters) {
  require(plan_->loss >= 0, "[net] backward needs a training plan; call plan_training first.");
  on(context.device, [&](auto& backend) { fill(backend, plan_->loss_gradient, 1); });
  for (std::size_t i = plan_->runs.size(); i-- > 0;) {
    const PlannedRun& run = plan_->runs[i];
    const PlannedStep& step = plan_->step(run);
    if (!step.backward) continue;
    const bool passes_gradient = std::ranges::any_of(run.input_gradients, [](const Gradient& gradient) { return bool{gradient}; });
    naming(*graph_, step, [&] {
      if (run.at.last && !run.at.first && passes_gradient) step.layer->prepare(context, Pass::backward);
      step.layer->backward({.context = context,
                            .inputs = run.backward_inputs,
                            .outputs = run.backward_outputs,
                            .saved = run.saved,
                            .output_gradients = run.output_gradients,
                            .input_gradients = run.input_gradients,
                            .parameters = run.at.last ? parameters : Write::add,
                            .for_backward = run.for_backward,
                            .scratch = run.scratch});
    });
  }
}

std::string Net::first_non_finite(Context& context) {
  const auto finite = [&](const Tensor& tensor) {
    return !is_floating(tensor.dtype()) || on(context.device, [&](auto& device) { return all_finite(device, tensor); });
  };
  for (const PlannedRun& run : plan_->runs) {
    const PlannedStep& step = plan_->step(run);
    for (const Tensor& input : run.inputs) {
      // Outputs of earlier layers were found finite; what is left are the net's own inputs.
      if (!finite(input)) return fmt::format("an input of layer '{}'", graph_->node(step.nodes.front()).name);
    }
    std::string bad;
    for (const int member : step.nodes) {
      const GraphNode& node = graph_->node(member);
      node.layer->visit([&](Parameter& parameter) {
        if (bad.empty() && !finite(parameter.value)) bad = fmt::format("the {} of layer '{}'", parameter.name, node.name);
      });
    }
    if (!bad.empty()) return bad;
    forward_run(context, run);
    for (const Tensor& output : run.outputs) {
      if (finite(output)) continue;
      return fmt::format("the output of {}{}", name_of(*graph_, step), step.nodes.size() == 1 ? "" : ", which run as one");
    }
  }
  return {};
}

std::string Net::summary() {
  std::string text;
  for (const GraphNode& node : graph_->nodes) {
    std::int64_t count = 0;
    node.layer->visit([&](Parameter& parameter) { count += parameter.value.count(); });
    text += fmt::format("{:<12} {:<22} {:<20} {:>10}\n", node.name, node.layer->type(), node.plan.outputs.front().shape.str(), count);
  }
  return text;
}

std::vector<std::string> copy_parameters(Net& from, Net& to) {
  std::vector<std::string> missing;
  pair_parameters(from, to, [&](const std::string& name, Parameter& target, const Parameter* source) {
    if (source == nullptr) {
      missing.push_back(name);
    } else {
      target.value.copy_from(source->value);
    }
  });
  return missing;
}

void share_parameters(Net& from, Net& to) {
  require(from.memory() == to.memory(), "[net] parameters can be shared only by nets in one memory; call move_to first.");
  pair_parameters(from, to, [&](const std::string& name, Parameter& target, const Parameter* source) {
    require(source != nullptr, "[net] '{}' has no counterpart to share.", name);
    target.value = source->value;
  });
}

}  // namespace amnet
