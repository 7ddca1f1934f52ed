#include <amnet/net/plan.h>

#include "planning.h"

#include <amnet/kernels/fill.h>
#include <amnet/kernels/finite.h>

#include <algorithm>

namespace amnet {
namespace {

/// "layer 'conv1_1'", "layers 'conv1_1' to 'relu1_1'".
std::string name_of(const Graph& graph, const PlannedOperation& operation) {
  const std::string& first = graph.node(operation.nodes.front()).name;
  return operation.nodes.size() == 1 ? fmt::format("layer '{}'", first)
                                     : fmt::format("layers '{}' to '{}'", first, graph.node(operation.nodes.back()).name);
}

/// Runs a part of an operation, so that an error of the device or a lack of memory names it.
template <class Body>
void naming(const Graph& graph, const PlannedOperation& operation, Body&& body) {
  const auto named = [&](const Error& error) { return fmt::format("{}: {}", name_of(graph, operation), error.what()); };
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

PlanRequest request_of(const Graph& graph, const PlanOptions& options) {
  require(options.batch >= 1, "[net] expected a batch of at least 1 but got {}.", options.batch);
  const auto known = [&](Value value) {
    require(value.index >= 0 && static_cast<std::size_t>(value.index) < graph.values.size(),
            "[net] a plan names a value that the net does not have.");
    return value.index;
  };
  PlanRequest request{.batch = options.batch, .loss = options.loss.index < 0 ? -1 : known(options.loss)};
  for (const Value value : options.keep) request.keep.push_back(known(value));
  for (const InputShape& one : options.inputs) {
    const GraphValue& input = graph.value(known(one.input));
    require(input.producer < 0, "[net] '{}' is no input.", input.name);
    require(one.shape.rank() == input.spec.shape.rank(), "[net] input '{}' is {} and cannot become {}.", input.name, input.spec.shape,
            one.shape);
    request.inputs[one.input.index] = one.shape;
  }
  request.keep_prepared = !request.trains() && options.keep_prepared;
  return request;
}

std::size_t kernel_bytes_of(const NetPlan& plan, bool keep_prepared, Device& device) {
  ScratchBytes scratch;
  std::size_t prepared = 0;
  for (const PlannedOperation& operation : plan.operations) {
    scratch = scratch.covering(operation.layer->kernel_scratch(device, operation.input_specs, operation.backward));
    if (operation.group == plan.batch && !keep_prepared) continue;
    prepared += operation.layer->prepared_bytes(device, Pass::forward, operation.input_specs);
    if (operation.backward) prepared += operation.layer->prepared_bytes(device, Pass::backward, operation.input_specs);
  }
  return prepared + on(device, [&](auto& backend) { return scratch.total(backend.threads()); });
}

// The settings that determine how a device prepares parameters.
KernelSettings settings_of(const Device& device) {
#if defined(AMNET_CUDA)
  if (const auto* cuda = std::get_if<Cuda>(&device)) return {ConvolutionAlgorithm::automatic, cuda->precision()};
#endif
  const Cpu& cpu = std::get<Cpu>(device);
  return {cpu.convolution(), cpu.precision()};
}

// Grows with every change of a parameter.
std::uint64_t versions_of(const NetPlan& plan) {
  std::uint64_t sum = 0;
  for (const PlannedOperation& operation : plan.operations) {
    operation.layer->look([&sum](const Parameter& parameter) { sum += parameter.version; });
  }
  return sum;
}

}  // namespace

Plan::Plan(const Net& net, PlanOptions options)
    : options_(std::move(options)),
      graph_(net.graph_),
      plan_(std::make_unique<NetPlan>(make_plan(*graph_, request_of(*graph_, options_)))),
      samples_(options_.batch) {}
Plan::~Plan() = default;
Plan::Plan(Plan&&) noexcept = default;
Plan& Plan::operator=(Plan&&) noexcept = default;

PlanBytes Plan::measure(const Net& net, Device& device, const PlanOptions& options) {
  PlanRequest request = request_of(*net.graph_, options);
  request.only_measured = true;
  const NetPlan plan = make_plan(*net.graph_, request);
  return {.values = plan.layout.bytes, .kernels = kernel_bytes_of(plan, request.keep_prepared, device)};
}

std::size_t Plan::bytes() const { return plan_->layout.bytes; }

std::size_t Plan::kernel_bytes(Device& device) const { return kernel_bytes_of(*plan_, !trains() && options_.keep_prepared, device); }

std::vector<PlanOperation> Plan::operations() const {
  std::vector<PlanOperation> operations;
  for (const PlannedOperation& operation : plan_->operations) {
    operations.push_back({.layers = {}, .samples = operation.group});
    for (const int node : operation.nodes) operations.back().layers.push_back(graph_->node(node).name);
  }
  return operations;
}

// --- running -------------------------------------------------------------------------------------------------

const Tensor& Plan::value(Value value) const {
  const auto index = static_cast<std::size_t>(value.index);
  require(index < plan_->readable.size() && plan_->readable[index].defined(), "[net] '{}' is not kept by this plan; name it in `keep`.",
          index < graph_->values.size() ? graph_->values[index].name : "?");
  return plan_->readable[index];
}

const Tensor& Plan::value(std::string_view name) const { return value(Value{graph_->find(name)}); }

void Plan::require_here(const Device& device) const {
  require(memory_of(device) == graph_->memory,
          "[net] the net's tensors and the device that is to compute are not in one memory; call move_to(memory_of(device)) first.");
}

Phase Plan::phase_of(const RunOptions& options) const { return options.phase.value_or(trains() ? Phase::train : Phase::test); }

std::int64_t Plan::samples_of(const RunOptions& options) const {
  require(options.samples >= 0 && options.samples <= options_.batch, "[net] the plan is for up to {} samples but got {}; plan for more.",
          options_.batch, options.samples);
  // A GPU computes the whole batch where that does not change the result: it would have to find
  // separate algorithms for few samples first.
  const bool whole = options.samples == 0 || (graph_->memory == Memory::cuda && !trains() && phase_of(options) == Phase::test);
  return whole ? options_.batch : options.samples;
}

const std::vector<PlannedRun>& Plan::runs_for(std::int64_t samples) {
  if (samples == options_.batch) return plan_->runs;
  if (plan_->fewer_samples != samples) {
    plan_->fewer = make_runs(*plan_, samples);
    plan_->fewer_samples = samples;
  }
  return plan_->fewer;
}

void Plan::prepare_kept(Context& context) {
  const std::uint64_t versions = versions_of(*plan_);
  const KernelSettings settings = settings_of(context.device);
  if (plan_->prepared_versions == versions && plan_->prepared_for == settings) return;
  const std::lock_guard<std::mutex> lock(graph_->preparing);
  for (PlannedOperation& operation : plan_->operations) {
    naming(*graph_, operation, [&] { operation.layer->prepare({context, Pass::forward, operation.plan.state.get(), &graph_->prepared}); });
  }
  plan_->prepared_versions = versions;
  plan_->prepared_for = settings;
}

// An operation that runs in groups has its parameters prepared once for all of them.
void Plan::forward_run(Context& context, const PlannedRun& run) {
  const PlannedOperation& operation = plan_->operation(run);
  LayerState* const state = operation.plan.state.get();
  const bool kept = !trains() && options_.keep_prepared;
  naming(*graph_, operation, [&] {
    if (operation.group < options_.batch && run.at.first && !kept) operation.layer->prepare({context, Pass::forward, state, nullptr});
    operation.layer->forward({context, run.inputs, run.outputs, run.saved, run.for_backward, state});
  });
}

// Under the lock of the run. Versions are raised before anything is written, so that a run that
// fails half way has raised them too, and after the kept forms were prepared, which are then out of
// date.
Context Plan::begin(Device& device, const RunOptions& options) {
  samples_ = samples_of(options);
  step_ = options.step;
  phase_ = phase_of(options);
  Context context{.device = device, .phase = phase_, .step = step_};
  if (!trains() && options_.keep_prepared) prepare_kept(context);
  if (phase_ == Phase::train) parameters_changed();
  return context;
}

void Plan::forward(Device& device, const RunOptions& options) {
  require_here(device);
  std::shared_lock<std::shared_mutex> reading(graph_->running, std::defer_lock);
  std::unique_lock<std::shared_mutex> writing(graph_->running, std::defer_lock);
  if (phase_of(options) == Phase::train) {
    writing.lock();
  } else {
    reading.lock();
  }
  Context context = begin(device, options);
  for (const PlannedRun& run : runs_for(samples_)) forward_run(context, run);
  step_ = context.step;
}

void Plan::backward(Device& device, const BackwardOptions& options) {
  require(trains(), "[net] backward needs a plan that trains; give it a loss.");
  require_here(device);
  const std::unique_lock<std::shared_mutex> writing(graph_->running);
  Context context{.device = device, .phase = phase_, .step = step_};
  on(context.device, [&](auto& backend) { fill(backend, plan_->loss_gradient, 1); });
  const std::vector<PlannedRun>& runs = runs_for(samples_);
  for (std::size_t i = runs.size(); i-- > 0;) {
    const PlannedRun& run = runs[i];
    const PlannedOperation& operation = plan_->operation(run);
    if (!operation.backward) continue;
    const NetPlan::OfOperation& own = plan_->parameters[static_cast<std::size_t>(run.at.operation)];
    LayerState* const state = operation.plan.state.get();
    const bool passes_gradient = std::ranges::any_of(run.input_gradients, [](const Gradient& gradient) { return bool{gradient}; });
    naming(*graph_, operation, [&] {
      if (operation.group < options_.batch && run.at.last && passes_gradient) {
        operation.layer->prepare({context, Pass::backward, state, nullptr});
      }
      operation.layer->backward({.context = context,
                                 .inputs = run.backward_inputs,
                                 .outputs = run.backward_outputs,
                                 .saved = run.saved,
                                 .output_gradients = run.output_gradients,
                                 .input_gradients = run.input_gradients,
                                 .parameters = run.at.last ? options.parameters : Write::add,
                                 .for_backward = run.for_backward,
                                 .scratch = run.scratch,
                                 .parameter_gradients = own.gradients,
                                 .state = state});
    });
    if (on_gradients_ && options.last && run.at.first && own.begin < own.end) on_gradients_(own.begin, own.end);
  }
  step_ = context.step;
}

void Plan::parameters_changed() {
  for (const GraphNode& node : graph_->nodes) {
    node.layer->visit([](Parameter& parameter) { ++parameter.version; });
  }
}

std::string Plan::first_non_finite(Device& device, const RunOptions& options) {
  require_here(device);
  const std::unique_lock<std::shared_mutex> writing(graph_->running);
  Context context = begin(device, options);
  const auto finite = [&](const Tensor& tensor) {
    return !is_floating(tensor.dtype()) || on(device, [&](auto& backend) { return all_finite(backend, tensor); });
  };
  for (const PlannedRun& run : runs_for(samples_)) {
    const PlannedOperation& operation = plan_->operation(run);
    for (const Tensor& input : run.inputs) {
      // Outputs of earlier layers were found finite; what is left are the net's own inputs.
      if (!finite(input)) return fmt::format("an input of layer '{}'", graph_->node(operation.nodes.front()).name);
    }
    std::string bad;
    for (const int member : operation.nodes) {
      const GraphNode& node = graph_->node(member);
      node.layer->look([&](const Parameter& parameter) {
        if (bad.empty() && !finite(parameter.value)) bad = fmt::format("the {} of layer '{}'", parameter.name, node.name);
      });
    }
    if (!bad.empty()) return bad;
    forward_run(context, run);
    for (const Tensor& output : run.outputs) {
      if (finite(output)) continue;
      return fmt::format("the output of {}{}", name_of(*graph_, operation), operation.nodes.size() == 1 ? "" : ", which run as one");
    }
  }
  return {};
}

// --- gradients -----------------------------------------------------------------------------------------------

const Tensor& Plan::gradient(const Parameter& parameter) const {
  static const Tensor none;
  const auto found = plan_->gradient_of.find(&parameter);
  return found == plan_->gradient_of.end() ? none : found->second;
}

const Tensor& Plan::gradients() const { return plan_->gradients; }

void Plan::visit(const std::function<void(const std::string& name, Parameter& parameter, const Tensor& gradient)>& visitor) {
  for (const GraphNode& node : graph_->nodes) {
    node.layer->visit([&](Parameter& parameter) {
      if (const Tensor& its = gradient(parameter); its.defined()) {
        visitor(node.name + "." + parameter.name, parameter, its);
        ++parameter.version;
      }
    });
  }
}

void Plan::on_gradients(std::function<void(std::size_t begin, std::size_t end)> hook) { on_gradients_ = std::move(hook); }

std::unique_lock<std::shared_mutex> Plan::alone() { return std::unique_lock(graph_->running); }

}  // namespace amnet
