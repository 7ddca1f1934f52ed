// Runs a layer in hostile surroundings: outputs and saved state are poisoned, gradients are
// pre-filled, and what the layer does not ask for is undefined. gradcheck.cpp compares the results.
#pragma once

#include <amnet/testing/gradcheck.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

namespace amnet {

inline constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

inline bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f64; }

/// Fills a tensor with what no layer may read: NaN, or bytes that make absurd integers.
inline void poison(const Tensor& tensor, int byte) {
  if (is_float(tensor.dtype())) {
    tensor.fill(byte == 0xA5 ? nan_value : -1e30);
  } else if (tensor.size_bytes() != 0) {
    std::memset(tensor.raw(), byte, tensor.size_bytes());
  }
}

inline bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.size_bytes() == b.size_bytes() && (a.size_bytes() == 0 || std::memcmp(a.raw(), b.raw(), a.size_bytes()) == 0);
}

inline bool same_bytes(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::ranges::equal(a, b, [](const Tensor& left, const Tensor& right) { return same_bytes(left, right); });
}

inline std::vector<Tensor> clones(std::span<const Tensor> tensors) {
  std::vector<Tensor> copies;
  for (const Tensor& tensor : tensors) copies.push_back(tensor.clone());
  return copies;
}

/// A tensor that the check moves: an input, or a trainable parameter.
struct Variable {
  std::string name;
  Tensor value;
  Parameter* parameter = nullptr;  // none for an input
  std::size_t input = 0;
  Tensor gradient = {};  // of a parameter
};

using Gradients = std::vector<Tensor>;  // one per variable; undefined where it was not asked for

/// How one backward pass is asked to write.
struct Request {
  Write write = Write::assign;
  std::optional<std::size_t> only = {};    // the one variable to be written, or all
  std::optional<std::size_t> output = {};  // the one output whose gradient is defined, or all
};

class HostileRun {
 public:
  HostileRun(Layer& layer, std::span<const Tensor> inputs, const GradcheckOptions& options)
      : layer_(layer), options_(options), device_(Cpu(options.threads, options.convolution)), inputs_(clones(inputs)) {
    result_.layer = layer.type();
    set_up();
  }

 protected:
  template <class... Args>
  void fail(fmt::format_string<Args...> message, Args&&... args) {
    result_.failures.push_back(fmt::format("[{}] {}", result_.layer, fmt::format(message, std::forward<Args>(args)...)));
  }

  void set_up() {
    std::vector<TensorSpec> specs;
    for (const Tensor& input : inputs_) {
      require(input.dtype() != DType::f32, "[gradcheck] expected inputs in f64 (or integers) but input {} is f32; cast it.", specs.size());
      specs.push_back({input.shape(), input.dtype()});
    }
    bool built = false;
    layer_.look([&built](const Parameter& parameter) { built = built || parameter.value.defined(); });
    if (!built) layer_.build(specs);
    LayerPlan plan = layer_.setup(specs);
    state_ = std::move(plan.state);
    for (const TensorSpec& spec : plan.outputs) outputs_.emplace_back(spec.shape, spec.dtype);
    for (const TensorSpec& spec : plan.saved) saved_.emplace_back(spec.shape, spec.dtype);
    for (const TensorSpec& spec : plan.for_backward) for_backward_.emplace_back(spec.shape, spec.dtype);
    for (const TensorSpec& spec : plan.scratch) scratch_.emplace_back(spec.shape, spec.dtype);

    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      const bool moved =
          is_float(inputs_[i].dtype()) && std::ranges::find(options_.not_differentiable, i) == options_.not_differentiable.end();
      if (moved) variables_.push_back({.name = fmt::format("input {}", i), .value = inputs_[i], .input = i});
    }
    layer_.visit([this](Parameter& parameter) {
      if (!options_.keep_parameters) draw(parameter);
      if (parameter.trainable()) {
        variables_.push_back({.name = parameter.name,
                              .value = parameter.value,
                              .parameter = &parameter,
                              .gradient = Tensor(parameter.value.shape(), parameter.value.dtype())});
      }
      parameters_.push_back(&parameter);
      kept_.push_back(parameter.value.clone());
    });
    if (variables_.empty()) fail("has neither an input nor a parameter that takes a gradient.");

    for (std::size_t k = 0; k < outputs_.size(); ++k) {
      if (outputs_[k].dtype() == DType::f64) {
        projections_.push_back(random_normal(outputs_[k].shape(), options_.seed * 1000003 + 17 + k));
      } else {
        projections_.emplace_back();  // integer outputs carry no gradient
      }
    }
  }

  void draw(Parameter& parameter) const {
    if (options_.draw_parameter) {
      options_.draw_parameter(parameter);
      return;
    }
    const Random random(options_.seed, stream_of(parameter.name));
    const std::span<double> values = parameter.value.data<double>();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = parameter.buffer ? random.uniform(i, 0.5, 1.5) : random.normal(i);
  }

  /// Restores parameters and buffers to the point of the check: forward may move running
  /// statistics.
  void restore() {
    for (std::size_t i = 0; i < parameters_.size(); ++i) parameters_[i]->value.copy_from(kept_[i]);
  }

  Context context() { return {.device = device_, .phase = options_.phase, .step = options_.step}; }

  void forward(int poison_byte = 0xA5, bool backward_comes = true) {
    for (const Tensor& tensor : outputs_) poison(tensor, poison_byte);
    for (const Tensor& tensor : saved_) poison(tensor, poison_byte);
    for (const Tensor& tensor : for_backward_) poison(tensor, poison_byte);
    const std::vector<Tensor> undefined(for_backward_.size());
    Context now = context();
    layer_.forward({.context = now,
                    .inputs = inputs_,
                    .outputs = outputs_,
                    .saved = saved_,
                    .for_backward = backward_comes ? for_backward_ : undefined,
                    .state = state_.get()});
  }

  /// Passes the layer only what it says it needs, and checks that it writes nothing but gradients.
  void call_backward(const Request& request, std::span<const Gradient> input_gradients) {
    const BackwardNeeds needs = layer_.needs();
    const std::vector<Tensor> no_inputs(inputs_.size());
    const std::vector<Tensor> no_outputs(outputs_.size());
    std::vector<Tensor> output_gradients;
    for (std::size_t k = 0; k < outputs_.size(); ++k) {
      const bool defined = projections_[k].defined() && (!request.output || *request.output == k);
      output_gradients.push_back(defined ? projections_[k].clone() : Tensor());
    }
    std::vector<ParameterGradient> parameter_gradients;  // a frozen parameter has none
    for (const Variable& variable : variables_) {
      if (variable.parameter != nullptr && variable.parameter->trainable())
        parameter_gradients.push_back({variable.parameter, variable.gradient});
    }
    const std::vector<Tensor> inputs = clones(inputs_);
    for (const Tensor& tensor : scratch_) poison(tensor, 0xA5);
    Context now = context();
    try {
      layer_.backward({.context = now,
                       .inputs = needs.inputs ? inputs_ : no_inputs,
                       .outputs = needs.outputs ? outputs_ : no_outputs,
                       .saved = saved_,
                       .output_gradients = output_gradients,
                       .input_gradients = input_gradients,
                       .parameters = request.write,
                       .for_backward = for_backward_,
                       .scratch = scratch_,
                       .parameter_gradients = parameter_gradients,
                       .state = state_.get()});
    } catch (const Error& error) {
      fail("backward threw where it may read only what needs() names: {}", error.what());
    }
    if (!same_bytes(inputs, inputs_)) fail("backward changed the layer's inputs.");
    for (std::size_t k = 0; k < outputs_.size(); ++k) {
      if (output_gradients[k].defined() && !same_bytes(output_gradients[k], projections_[k])) {
        fail("backward changed the gradient of output {}, which it may only read.", k);
      }
    }
  }

  /// One forward and one backward pass; the gradients are added to what was there before (add) or
  /// replace it (assign).
  Gradients backward(const Request& request) {
    forward();
    Gradients gradients(variables_.size());
    std::vector<Gradient> input_gradients(inputs_.size());
    std::vector<double> multipliers;
    for (const Parameter* parameter : parameters_) multipliers.push_back(parameter->lr_mult);
    for (std::size_t v = 0; v < variables_.size(); ++v) {
      const Variable& variable = variables_[v];
      const bool wanted = !request.only || *request.only == v;
      if (!wanted) {
        if (variable.parameter != nullptr) variable.parameter->lr_mult = 0;
        continue;
      }
      gradients[v] = variable.parameter != nullptr ? variable.gradient : Tensor(variable.value.shape(), DType::f64);
      if (request.write == Write::add) {
        gradients[v].copy_from(before(v));
      } else {
        gradients[v].fill(nan_value);
      }
      if (variable.parameter == nullptr) input_gradients[variable.input] = {gradients[v], request.write};
    }
    call_backward(request, input_gradients);
    for (std::size_t i = 0; i < parameters_.size(); ++i) parameters_[i]->lr_mult = multipliers[i];
    restore();

    for (std::size_t v = 0; v < variables_.size(); ++v) {
      if (!gradients[v].defined()) continue;
      gradients[v] = gradients[v].clone();  // a parameter's gradient is used again by the next pass
      const std::span<const double> values = gradients[v].data<double>();
      const auto bad = std::ranges::find_if(values, [](double value) { return !std::isfinite(value); });
      if (bad != values.end()) {
        fail("the gradient of {}[{}] is {} ({}).", variables_[v].name, bad - values.begin(), *bad,
             request.write == Write::add ? "asked to add to known values"
                                         : "asked to assign; it starts as NaN, so it was not written or was added to");
      }
    }
    return gradients;
  }

  /// The known values that a gradient holds before it is added to.
  Tensor before(std::size_t variable) const { return random_normal(variables_[variable].value.shape(), options_.seed * 31 + variable + 5); }

  Layer& layer_;
  const GradcheckOptions& options_;
  Device device_;
  GradcheckResult result_;
  std::vector<Tensor> inputs_, outputs_, saved_, for_backward_, scratch_;
  std::unique_ptr<LayerState> state_;
  std::vector<Tensor> projections_;  // r_k, undefined for integer outputs
  std::vector<Variable> variables_;
  std::vector<Parameter*> parameters_;
  std::vector<Tensor> kept_;  // the parameters' values at the point of the check
};

}  // namespace amnet
