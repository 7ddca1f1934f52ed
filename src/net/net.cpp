#include <amnet/layers/filler_values.h>
#include <amnet/net/net.h>

#include "graph.h"

#include <algorithm>
#include <map>

namespace amnet {
namespace {

void draw(Parameter& parameter, const std::string& name, std::uint64_t seed) {
  const Tensor value(parameter.value.shape(), parameter.value.dtype());
  const Shape& memory = value.shape();
  const bool is_convolution = parameter.layout == ParameterLayout::convolution;
  const Shape shape = is_convolution ? Shape{memory[0], memory[3], memory[1], memory[2]} : memory;
  const std::vector<double> values = filler_values(parameter.filler, shape, Random(seed, stream_of(name)));
  with_float(value.dtype(), name,
             [&]<class T>() { std::ranges::transform(values, value.data<T>().begin(), [](double each) { return static_cast<T>(each); }); });
  parameter.value.copy_from(value);
}

}  // namespace

Net::Net(DType dtype) : graph_(std::make_shared<Graph>()) { graph_->dtype = dtype; }
Net::~Net() = default;
Net::Net(Net&&) noexcept = default;
Net& Net::operator=(Net&&) noexcept = default;

DType Net::dtype() const { return graph_->dtype; }
TensorSpec Net::spec(Value value) const { return graph_->value(value.index).spec; }

// --- building ------------------------------------------------------------------------------------------------

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

Value Net::fixed_input(std::string name, Shape shape, DType dtype) {
  require_new_name(name);
  graph_->values.push_back({.name = std::move(name), .spec = {shape, dtype, false}, .producer = -1});
  return {static_cast<int>(graph_->values.size()) - 1};
}

Value Net::add(std::string name, std::unique_ptr<Layer> layer, std::vector<Value> inputs) {
  require_new_name(name);
  GraphNode node{.name = name, .layer = std::move(layer), .inputs = {}, .outputs = {}};
  std::vector<TensorSpec> specs;
  for (const Value input : inputs) {
    require(input.index >= 0 && static_cast<std::size_t>(input.index) < graph_->values.size(),
            "[net] layer '{}' reads a value that this net does not have.", name);
    node.inputs.push_back(input.index);
    specs.push_back(graph_->value(input.index).spec);
  }
  const LayerPlan plan = ask(node, [&](Layer& joining) {
    joining.take_dtype(graph_->dtype);
    joining.build(specs);
    return joining.setup(specs);
  });
  for (std::size_t which = 0; which < plan.outputs.size(); ++which) {
    node.outputs.push_back(static_cast<int>(graph_->values.size()));
    graph_->values.push_back({.name = which == 0 ? name : fmt::format("{}:{}", name, which),
                              .spec = plan.outputs[which],
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

Value Net::find(std::string_view name) const { return {graph_->find(name)}; }

// --- parameters ----------------------------------------------------------------------------------------------

void Net::visit(const NamedParameterVisitor& visitor) {
  for (GraphNode& node : graph_->nodes) {
    node.layer->visit([&](Parameter& parameter) {
      visitor(node.name + "." + parameter.name, parameter);
      ++parameter.version;
    });
  }
}

void Net::look(const NamedParameterLook& visitor) const {
  for (const GraphNode& node : graph_->nodes) {
    node.layer->look([&](const Parameter& parameter) { visitor(node.name + "." + parameter.name, parameter); });
  }
}

void Net::initialise(std::uint64_t seed) {
  visit([&](const std::string& name, Parameter& parameter) { draw(parameter, name, seed); });
}

std::int64_t Net::parameter_count() const {
  std::int64_t count = 0;
  look([&](const std::string&, const Parameter& parameter) { count += parameter.buffer ? 0 : parameter.value.count(); });
  return count;
}

std::size_t Net::parameter_bytes() const {
  std::size_t bytes = 0;
  look([&](const std::string&, const Parameter& parameter) { bytes += parameter.value.size_bytes(); });
  return bytes;
}

std::size_t Net::gradient_bytes() const {
  std::size_t bytes = 0;
  look([&](const std::string&, const Parameter& parameter) { bytes += parameter.trainable() ? parameter.value.size_bytes() : 0; });
  return bytes;
}

// --- placing -------------------------------------------------------------------------------------------------

void Net::move_to(Memory memory) {
  if (memory == graph_->memory) return;
  require(graph_.use_count() == 1, "[net] the net cannot move to another memory while plans of it are alive; let go of them first.");
  graph_->memory = memory;
  // The values stay what they are, and without plans nothing is prepared from them: no version is
  // raised.
  for (GraphNode& node : graph_->nodes) {
    node.layer->visit([memory](Parameter& parameter) { parameter.value = parameter.value.to(memory); });
  }
}

Memory Net::memory() const { return graph_->memory; }

// --- looking -------------------------------------------------------------------------------------------------

std::vector<NetInput> Net::inputs() const {
  std::vector<NetInput> inputs;
  for (const GraphValue& value : graph_->values) {
    if (value.producer < 0) inputs.push_back({value.name, value.spec});
  }
  return inputs;
}

std::vector<NetLayer> Net::layers() const {
  std::vector<NetLayer> layers;
  for (const GraphNode& node : graph_->nodes) {
    layers.push_back({node.name, node.layer.get(), {}});
    for (const int input : node.inputs) layers.back().inputs.push_back(graph_->value(input).name);
  }
  return layers;
}

std::string Net::summary() const {
  std::string text;
  for (const GraphNode& node : graph_->nodes) {
    std::int64_t count = 0;
    node.layer->look([&](const Parameter& parameter) { count += parameter.value.count(); });
    text += fmt::format("{:<12} {:<22} {:<20} {:>10}\n", node.name, node.layer->type(),
                        graph_->value(node.outputs.front()).spec.shape.str(), count);
  }
  return text;
}

std::vector<std::string> copy_parameters(const Net& from, Net& to) {
  std::map<std::string, Tensor> sources;
  from.look([&](const std::string& name, const Parameter& parameter) { sources.emplace(name, parameter.value); });
  std::vector<std::string> missing;
  to.look([&](const std::string& name, const Parameter& parameter) {
    const auto found = sources.find(name);
    if (found == sources.end()) {
      missing.push_back(name);
      return;
    }
    require(found->second.shape() == parameter.value.shape(), "[net] '{}' is {} in the source but {} here.", name, found->second.shape(),
            parameter.value.shape());
  });
  to.visit([&](const std::string& name, Parameter& parameter) {
    const auto found = sources.find(name);
    if (found == sources.end()) return;
    const bool same = found->second.dtype() == parameter.value.dtype();
    parameter.value.copy_from(same ? found->second : found->second.to(Memory::host).cast(parameter.value.dtype()));
  });
  return missing;
}

}  // namespace amnet
