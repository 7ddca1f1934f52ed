#include <amnet/net/net.h>

#include "graph.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace amnet {
namespace {

/// The n of the fillers (layers/layer.h). In memory the channels that a weight reads are its last
/// extent, also where files have them as the second.
double fan_of(const Filler& filler, const Tensor& value) {
  const auto count = static_cast<double>(value.count());
  const auto per = [&](std::int64_t extent) { return count / static_cast<double>(std::max<std::int64_t>(1, extent)); };
  const double in = per(value.extent(0)), out = value.shape().rank() >= 2 ? per(value.extent(value.shape().rank() - 1)) : count;
  switch (filler.fan) {
    case Filler::Fan::in: break;
    case Filler::Fan::out: return out;
    case Filler::Fan::average: return (in + out) / 2;
  }
  return in;
}

void divide_rows(std::span<double> values, std::int64_t rows, bool by_sum) {
  const std::size_t columns = values.size() / static_cast<std::size_t>(std::max<std::int64_t>(1, rows));
  for (std::size_t begin = 0; columns > 0 && begin < values.size(); begin += columns) {
    const std::span<double> row = values.subspan(begin, columns);
    double sum = 0;
    for (const double each : row) sum += by_sum ? each : each * each;
    const double divisor = by_sum ? sum : std::sqrt(sum);
    for (double& each : row) each = divisor > 0 ? each / divisor : each;
  }
}

std::vector<double> drawn(const Filler& filler, const Tensor& value, const Random& random) {
  std::vector<double> values(static_cast<std::size_t>(value.count()));
  const double bound = std::sqrt(3 / fan_of(filler, value)),
               deviation = std::sqrt(2 / fan_of(filler, value) / (1 + filler.slope * filler.slope));
  const double kept = static_cast<double>(filler.sparse) / static_cast<double>(std::max<std::int64_t>(1, value.extent(0)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    switch (filler.kind) {
      case Filler::Kind::constant: values[i] = filler.value; break;
      case Filler::Kind::xavier: values[i] = random.uniform(i, -bound, bound); break;
      case Filler::Kind::gaussian:
        values[i] = filler.value * random.normal(i);
        if (filler.mean != 0) values[i] += filler.mean;
        // the draw of what stays lies behind all draws of values
        if (filler.sparse >= 0 && random.uniform(values.size() + i) >= kept) values[i] = 0;
        break;
      case Filler::Kind::msra: values[i] = deviation * random.normal(i); break;
      case Filler::Kind::uniform: values[i] = random.uniform(i, filler.low, filler.high); break;
      case Filler::Kind::unit_rows: values[i] = random.normal(i); break;
      case Filler::Kind::positive_rows: values[i] = random.uniform(i); break;
    }
  }
  if (filler.kind == Filler::Kind::unit_rows) divide_rows(values, value.extent(0), false);
  if (filler.kind == Filler::Kind::positive_rows) divide_rows(values, value.extent(0), true);
  return values;
}

void draw(Parameter& parameter, const std::string& name, std::uint64_t seed) {
  const Tensor value(parameter.value.shape(), parameter.value.dtype());
  const std::vector<double> values = drawn(parameter.filler, value, Random(seed, stream_of(name)));
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
