#include <amnet/kernels/finite.h>
#include <amnet/layers/fusion.h>
#include <amnet/net/memory_plan.h>
#include <amnet/net/net.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <map>
#include <numeric>

namespace amnet {
namespace {

void draw(Parameter& parameter, const std::string& name, std::uint64_t seed) {
  const Random random(seed, stream_of(name));
  const Tensor& value = parameter.value;
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

}  // namespace

// --- building ------------------------------------------------------------------------------------------------

void Net::require_new_name(std::string_view name) const {
  require(!name.empty() && name.find_first_of(". \t\n") == std::string_view::npos,
          "[net] the name '{}' must not be empty nor hold a dot or a space: parameters are called layer.parameter.", name);
  for (const ValueState& value : values_) {
    require(value.name != name, "[net] the name '{}' is taken; every input and layer needs its own.", name);
  }
}

Value Net::input(std::string name, Shape shape, DType dtype) {
  require_new_name(name);
  require(shape.rank() >= 1, "[net] input '{}' needs the batch as its first extent.", name);
  values_.push_back({.name = std::move(name), .spec = {shape, dtype}, .producer = -1, .which = 0});
  return {static_cast<int>(values_.size()) - 1};
}

std::vector<TensorSpec> Net::input_specs(const Node& node) const {
  std::vector<TensorSpec> specs;
  for (const int input : node.inputs) specs.push_back(values_[static_cast<std::size_t>(input)].spec);
  return specs;
}

Value Net::add_layer(std::string name, std::unique_ptr<Layer> layer, std::vector<Value> inputs) {
  require_new_name(name);
  Node node;
  node.name = name;
  node.layer = std::move(layer);
  for (const Value input : inputs) {
    require(input.index >= 0 && index_of(input) < values_.size(), "[net] layer '{}' reads a value that this net does not have.", name);
    node.inputs.push_back(input.index);
  }
  try {
    node.plan = node.layer->setup(input_specs(node));
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("layer '{}': {}", name, error.what()));
  }
  for (std::size_t which = 0; which < node.plan.outputs.size(); ++which) {
    node.outputs.push_back(static_cast<int>(values_.size()));
    values_.push_back({.name = which == 0 ? name : fmt::format("{}:{}", name, which),
                       .spec = node.plan.outputs[which],
                       .producer = static_cast<int>(nodes_.size()),
                       .which = static_cast<int>(which)});
  }
  nodes_.push_back(std::move(node));
  return {nodes_.back().outputs.front()};
}

Value Net::output(Value first, int which) const {
  const ValueState& state = values_[index_of(first)];
  require(state.producer >= 0, "[net] '{}' is an input and has no outputs.", state.name);
  const Node& node = nodes_[static_cast<std::size_t>(state.producer)];
  require(which >= 0 && static_cast<std::size_t>(which) < node.outputs.size(), "[net] layer '{}' has {} output(s), not an output {}.",
          node.name, node.outputs.size(), which);
  return {node.outputs[static_cast<std::size_t>(which)]};
}

Value Net::find(std::string_view name) const {
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (values_[i].name == name) return {static_cast<int>(i)};
  }
  throw UsageError(fmt::format("[net] there is no input or layer named '{}'.", name));
}

// --- parameters ----------------------------------------------------------------------------------------------

void Net::visit(const NamedParameterVisitor& visitor) {
  for (Node& node : nodes_) {
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

ScratchBytes Net::kernel_scratch(Device& device) const {
  ScratchBytes bytes;
  for (const Step& step : steps_) bytes = bytes.covering(step.layer->kernel_scratch(device, step.runs_backward));
  return bytes;
}

// --- planning ------------------------------------------------------------------------------------------------

void Net::set_input_shape(Value input, Shape shape) {
  ValueState& state = values_[index_of(input)];
  require(state.producer < 0, "[net] '{}' is no input.", state.name);
  require(shape.rank() == state.spec.shape.rank(), "[net] input '{}' is {} and cannot become {}.", state.name, state.spec.shape, shape);
  state.spec.shape = shape;
}

void Net::plan_training(std::int64_t batch, Value loss, std::vector<Value> keep) {
  require(loss.index >= 0, "[net] a training plan needs the value of the loss.");
  plan(batch, loss, keep);
}

void Net::plan_inference(std::int64_t batch, std::vector<Value> keep) { plan(batch, Value{}, keep); }

void Net::plan(std::int64_t batch, Value loss, const std::vector<Value>& keep) {
  require(batch >= 1, "[net] expected a batch of at least 1 but got {}.", batch);
  loss_ = loss;
  std::vector<char> wants_gradient(values_.size());
  mark_running(loss, keep, wants_gradient);
  set_shapes(batch);
  make_steps(loss, keep);
  require(loss.index < 0 || spec(loss).shape.count() == 1, "[net] the loss '{}' is {} but must have one element.",
          loss.index < 0 ? "" : values_[index_of(loss)].name, loss.index < 0 ? Shape{} : spec(loss).shape);
  lay_out(loss, keep, wants_gradient);
  hand_out(loss, wants_gradient);
}

bool Net::has_trainable(Node& node) const {
  bool trainable = false;
  node.layer->visit([&](const Parameter& parameter) { trainable = trainable || parameter.trainable(); });
  return trainable;
}

// Which layers run, and which values get a gradient: those between a trainable parameter and the loss.
void Net::mark_running(Value loss, const std::vector<Value>& keep, std::vector<char>& wants_gradient) {
  std::vector<char> needed(values_.size());
  std::vector<char> reaches_loss(values_.size());
  for (const Value value : keep) needed[index_of(value)] = 1;
  if (loss.index >= 0) needed[index_of(loss)] = reaches_loss[index_of(loss)] = 1;
  const auto any = [](const std::vector<int>& values, const std::vector<char>& flags) {
    return std::ranges::any_of(values, [&](int v) { return flags[static_cast<std::size_t>(v)] != 0; });
  };
  for (std::size_t i = nodes_.size(); i-- > 0;) {
    Node& node = nodes_[i];
    node.runs_forward = any(node.outputs, needed);
    const bool leads = any(node.outputs, reaches_loss) && node.layer->differentiable();
    for (const int input : node.inputs) {
      if (node.runs_forward) needed[static_cast<std::size_t>(input)] = 1;
      if (leads) reaches_loss[static_cast<std::size_t>(input)] = 1;
    }
  }
  std::vector<char> depends(values_.size());  // on a trainable parameter
  for (Node& node : nodes_) {
    const bool trainable = has_trainable(node);
    const bool learns = node.layer->differentiable() && (trainable || any(node.inputs, depends));
    node.runs_backward = node.runs_forward && learns && any(node.outputs, reaches_loss);
    for (const int output : node.outputs) depends[static_cast<std::size_t>(output)] = learns;
  }
  for (std::size_t i = 0; i < values_.size(); ++i) {
    wants_gradient[i] = depends[i] != 0 && reaches_loss[i] != 0 && values_[i].spec.dtype == dtype_;
  }
}

void Net::set_shapes(std::int64_t batch) {
  for (ValueState& value : values_) {
    if (value.producer < 0) value.spec.shape = value.spec.shape.with(0, batch);
  }
  for (Node& node : nodes_) {
    if (!node.runs_forward) continue;
    try {
      node.plan = node.layer->setup(input_specs(node));
    } catch (const UsageError& error) {
      throw UsageError(fmt::format("layer '{}': {}", node.name, error.what()));
    }
    for (std::size_t which = 0; which < node.outputs.size(); ++which) {
      values_[static_cast<std::size_t>(node.outputs[which])].spec = node.plan.outputs[which];
    }
  }
}

// Joins a layer with those behind it as long as they can run as one step: each must be the only reader of a value that nobody wants
// to see, and read nothing else that is not there yet when the first one runs. `only_reader`: of a value the one node that reads it, or -1.
Net::Step Net::step_from(std::size_t first, const std::vector<int>& only_reader, std::vector<char>& taken) {
  const Node& node = nodes_[first];
  Step step{.nodes = {static_cast<int>(first)},
            .layer = node.layer.get(),
            .inputs = node.inputs,
            .outputs = node.outputs,
            .plan = node.plan,
            .runs_backward = node.runs_backward};
  std::vector<Layer*> chain = {step.layer};
  std::vector<int> nodes = step.nodes, inputs = step.inputs, outputs = step.outputs;
  while (outputs.size() == 1 && only_reader[static_cast<std::size_t>(outputs[0])] >= 0) {
    const int next = only_reader[static_cast<std::size_t>(outputs[0])];
    const Node& reader = nodes_[static_cast<std::size_t>(next)];
    const auto late = [&](int value) { return value != outputs[0] && values_[static_cast<std::size_t>(value)].producer >= nodes[0]; };
    if (std::ranges::any_of(reader.inputs, late) || reader.runs_backward != node.runs_backward) break;
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
  for (const int member : step.nodes) taken[static_cast<std::size_t>(member)] = 1;
  if (step.fused != nullptr) {
    std::vector<TensorSpec> specs;
    for (const int input : step.inputs) specs.push_back(values_[static_cast<std::size_t>(input)].spec);
    step.plan = step.layer->setup(specs);
  }
  return step;
}

void Net::make_steps(Value loss, const std::vector<Value>& keep) {
  std::vector<int> only_reader(values_.size(), -1);
  std::vector<int> readers(values_.size());
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i].runs_forward) continue;
    for (const int input : nodes_[i].inputs) {
      only_reader[static_cast<std::size_t>(input)] = ++readers[static_cast<std::size_t>(input)] == 1 ? static_cast<int>(i) : -1;
    }
  }
  for (const Value value : keep) only_reader[index_of(value)] = -1;
  if (loss.index >= 0) only_reader[index_of(loss)] = -1;

  steps_.clear();
  std::vector<char> taken(nodes_.size());
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].runs_forward && !taken[i]) steps_.push_back(step_from(i, only_reader, taken));
  }
}

// Moments: step i runs forward at i and backward at 2S - i, S being the number of steps.
void Net::lay_out(Value loss, const std::vector<Value>& keep, const std::vector<char>& wants_gradient) {
  const int steps = static_cast<int>(steps_.size());
  const int end = 2 * steps + 1;
  const auto backward_moment = [&](int step) { return 2 * steps - step; };

  struct Request {
    TensorSpec spec;
    Tensor* target;
  };
  std::vector<Lifetime> lifetimes;
  std::vector<Request> requests;
  const auto want = [&](const TensorSpec& spec, int first, int last, Tensor* target) {
    lifetimes.push_back({static_cast<std::size_t>(spec.shape.count()) * size_of(spec.dtype), first, last});
    requests.push_back({spec, target});
  };

  std::vector<int> maker(values_.size(), -1);  // the step that writes the value
  std::vector<int> last_read(values_.size(), -1);
  std::vector<int> first_gradient(values_.size(), end);
  std::vector<char> used(values_.size());
  for (int i = 0; i < steps; ++i) {
    const Step& step = steps_[static_cast<std::size_t>(i)];
    const BackwardNeeds needs = step.layer->needs();
    for (const int input : step.inputs) {
      const auto v = static_cast<std::size_t>(input);
      used[v] = 1;
      last_read[v] = std::max(last_read[v], step.runs_backward && needs.inputs ? backward_moment(i) : i);
      // Later steps run backward earlier: the last reader writes the gradient first.
      if (step.runs_backward) first_gradient[v] = std::min(first_gradient[v], backward_moment(i));
    }
    for (const int output : step.outputs) {
      const auto v = static_cast<std::size_t>(output);
      used[v] = 1;
      maker[v] = i;
      last_read[v] = std::max(last_read[v], step.runs_backward && needs.outputs ? backward_moment(i) : i);
    }
  }
  for (ValueState& value : values_) {
    value.readable = value.producer < 0;
    value.tensor = value.gradient = {};
  }
  for (const Value value : keep) values_[index_of(value)].readable = true;
  if (loss.index >= 0) values_[index_of(loss)].readable = true;

  // A gradient takes the place of its value where one backward pass is the last to read the value and the first to write the gradient.
  std::vector<char> overwritten(values_.size());
  for (int i = 0; i < steps && loss.index >= 0; ++i) {
    const Step& step = steps_[static_cast<std::size_t>(i)];
    const int which = step.layer->needs().overwrites;
    if (!step.runs_backward || which < 0) continue;
    const int input = step.inputs[static_cast<std::size_t>(which)];
    const auto v = static_cast<std::size_t>(input);
    overwritten[v] = wants_gradient[v] && !values_[v].readable && maker[v] >= 0 && last_read[v] == backward_moment(i) &&
                     first_gradient[v] == backward_moment(i) && std::ranges::count(step.inputs, input) == 1;
  }

  std::vector<int> gradient_request(values_.size(), -1);
  for (std::size_t v = 0; v < values_.size(); ++v) {
    ValueState& value = values_[v];
    if (!used[v] && !value.readable) continue;
    if (overwritten[v]) {
      want(value.spec, maker[v], backward_moment(maker[v]), &value.tensor);
      continue;
    }
    want(value.spec, std::max(maker[v], 0), value.readable ? end : last_read[v], &value.tensor);
    if (value.producer < 0) lifetimes.back().first = -1;  // the caller fills inputs before anything runs
    if (loss.index < 0 || !wants_gradient[v] || value.producer < 0 || maker[v] < 0) continue;
    const bool is_loss = index_of(loss) == v;
    if (!is_loss && first_gradient[v] == end) continue;  // kept, but not on the way to the loss
    gradient_request[v] = static_cast<int>(requests.size());
    want(value.spec, is_loss ? steps : first_gradient[v], backward_moment(maker[v]), &value.gradient);
  }
  // Where a step passes its output's gradient on, one tensor serves both: it lives on until the last of its values has been made.
  std::vector<std::size_t> shares(values_.size());
  std::iota(shares.begin(), shares.end(), std::size_t{0});
  for (int i = steps; i-- > 0;) {
    const Step& step = steps_[static_cast<std::size_t>(i)];
    const int passes = step.layer->needs().passes_gradient_to;
    if (!step.runs_backward || passes < 0) continue;
    const auto from = static_cast<std::size_t>(step.outputs[0]),
               to = static_cast<std::size_t>(step.inputs[static_cast<std::size_t>(passes)]);
    const bool first_writer = first_gradient[to] == backward_moment(i) && std::ranges::count(step.inputs, static_cast<int>(to)) == 1;
    if (!first_writer || gradient_request[from] < 0 || gradient_request[to] < 0) continue;
    shares[to] = shares[from];
    Lifetime& shared = lifetimes[static_cast<std::size_t>(gradient_request[shares[to]])];
    Lifetime& own = lifetimes[static_cast<std::size_t>(gradient_request[to])];
    shared.last = std::max(shared.last, own.last);
    own.bytes = 0;
  }
  for (int i = 0; i < steps; ++i) {
    Step& step = steps_[static_cast<std::size_t>(i)];
    const bool comes_back = loss.index >= 0 && step.runs_backward;
    const auto want_all = [&](const std::vector<TensorSpec>& specs, int first, int last, std::vector<Tensor>& targets) {
      targets.assign(specs.size(), {});
      for (std::size_t s = 0; s < specs.size(); ++s) want(specs[s], first, last, &targets[s]);
    };
    want_all(step.plan.saved, i, comes_back ? backward_moment(i) : i, step.saved);
    step.for_backward.assign(step.plan.for_backward.size(), {});
    if (!comes_back) continue;
    want_all(step.plan.for_backward, i, backward_moment(i), step.for_backward);
    want_all(step.plan.scratch, backward_moment(i), backward_moment(i), step.scratch);
  }

  const MemoryPlan plan = plan_memory(lifetimes);
  planned_bytes_ = plan.bytes;
  const std::shared_ptr<std::byte> block = allocate_host(plan.bytes);
  for (std::size_t r = 0; r < requests.size(); ++r) {
    const std::shared_ptr<std::byte> bytes(block, block.get() + plan.offsets[r]);
    *requests[r].target = Tensor(requests[r].spec.shape, requests[r].spec.dtype, bytes, Memory::host);
  }
  for (std::size_t v = 0; v < values_.size(); ++v) {
    if (overwritten[v]) values_[v].gradient = values_[v].tensor;
    if (shares[v] != v) values_[v].gradient = values_[shares[v]].gradient;
  }
}

void Net::hand_out(Value loss, const std::vector<char>& wants_gradient) {
  const auto value = [&](int v) -> ValueState& { return values_[static_cast<std::size_t>(v)]; };
  for (Step& step : steps_) {
    step.backward_inputs.assign(step.inputs.size(), {});
    step.backward_outputs.assign(step.outputs.size(), {});
    step.input_gradients.assign(step.inputs.size(), {});
    for (const int input : step.inputs) step.input_tensors.push_back(value(input).tensor);
    for (const int output : step.outputs) step.output_tensors.push_back(value(output).tensor);
  }
  if (loss.index < 0) return;

  visit([](const std::string&, Parameter& parameter) {
    if (!parameter.trainable()) {
      parameter.gradient = {};
    } else if (!parameter.gradient.defined()) {
      parameter.gradient = Tensor::zeros(parameter.value.shape(), parameter.value.dtype());
    }
  });
  std::vector<char> written(values_.size());
  written[index_of(loss)] = 1;
  for (std::size_t i = steps_.size(); i-- > 0;) {
    Step& step = steps_[i];
    if (!step.runs_backward) continue;
    const BackwardNeeds needs = step.layer->needs();
    if (needs.inputs) step.backward_inputs = step.input_tensors;
    if (needs.outputs) step.backward_outputs = step.output_tensors;
    for (const int output : step.outputs) {
      step.output_gradients.push_back(written[static_cast<std::size_t>(output)] ? value(output).gradient : Tensor{});
    }
    for (std::size_t k = 0; k < step.inputs.size(); ++k) {
      const auto v = static_cast<std::size_t>(step.inputs[k]);
      if (!wants_gradient[v]) continue;
      step.input_gradients[k] = {values_[v].gradient, written[v] ? Write::add : Write::assign};
      written[v] = 1;
    }
  }
}

// --- running -------------------------------------------------------------------------------------------------

const Tensor& Net::value(Value value) const {
  const ValueState& state = values_[index_of(value)];
  require(state.readable && state.tensor.defined(), "[net] '{}' is not kept by the current plan; name it in `keep`.", state.name);
  return state.tensor;
}

void Net::forward(Context& context) {
  for (Step& step : steps_) step.layer->forward(step.forward_args(context));
}

void Net::backward(Context& context, Write parameters) {
  require(loss_.index >= 0, "[net] backward needs a training plan; call plan_training first.");
  values_[index_of(loss_)].gradient.fill(1);
  for (std::size_t i = steps_.size(); i-- > 0;) {
    Step& step = steps_[i];
    if (!step.runs_backward) continue;
    step.layer->backward({.context = context,
                          .inputs = step.backward_inputs,
                          .outputs = step.backward_outputs,
                          .saved = step.saved,
                          .output_gradients = step.output_gradients,
                          .input_gradients = step.input_gradients,
                          .parameters = parameters,
                          .for_backward = step.for_backward,
                          .scratch = step.scratch});
  }
}

std::string Net::first_non_finite(Context& context) {
  const auto finite = [&](const Tensor& tensor) {
    return tensor.dtype() != dtype_ || on(context.device, [&](auto& device) { return all_finite(device, tensor); });
  };
  for (Step& step : steps_) {
    const std::string& first = nodes_[static_cast<std::size_t>(step.nodes.front())].name;
    const std::string& last = nodes_[static_cast<std::size_t>(step.nodes.back())].name;
    for (const Tensor& input : step.input_tensors) {
      // Outputs of earlier layers were found finite; what is left are the net's own inputs.
      if (!finite(input)) return fmt::format("an input of layer '{}'", first);
    }
    std::string bad;
    for (const int member : step.nodes) {
      const Node& node = nodes_[static_cast<std::size_t>(member)];
      node.layer->visit([&](Parameter& parameter) {
        if (bad.empty() && !finite(parameter.value)) bad = fmt::format("the {} of layer '{}'", parameter.name, node.name);
      });
    }
    if (!bad.empty()) return bad;
    step.layer->forward(step.forward_args(context));
    for (const Tensor& output : step.output_tensors) {
      if (finite(output)) continue;
      return step.nodes.size() == 1 ? fmt::format("the output of layer '{}'", first)
                                    : fmt::format("the output of layers '{}' to '{}', which run as one", first, last);
    }
  }
  return {};
}

std::string Net::summary() {
  std::string text;
  for (Node& node : nodes_) {
    std::int64_t count = 0;
    node.layer->visit([&](Parameter& parameter) { count += parameter.value.count(); });
    text += fmt::format("{:<12} {:<22} {:<20} {:>10}\n", node.name, node.layer->type(), node.plan.outputs.front().shape.str(), count);
  }
  return text;
}

std::vector<std::vector<std::string>> Net::steps() const {
  std::vector<std::vector<std::string>> names;
  for (const Step& step : steps_) {
    names.emplace_back();
    for (const int node : step.nodes) names.back().push_back(nodes_[static_cast<std::size_t>(node)].name);
  }
  return names;
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
  pair_parameters(from, to, [&](const std::string& name, Parameter& target, const Parameter* source) {
    require(source != nullptr, "[net] '{}' has no counterpart to share.", name);
    target.value = source->value;
  });
}

}  // namespace amnet
