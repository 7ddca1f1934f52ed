#include <amnet/testing/gradcheck.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>

namespace amnet {
namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f64; }

/// Fills a tensor with what no layer may read: NaN, or bytes that make absurd integers.
void poison(const Tensor& tensor, int byte) {
  if (is_float(tensor.dtype())) {
    tensor.fill(byte == 0xA5 ? nan_value : -1e30);
  } else if (tensor.size_bytes() != 0) {
    std::memset(tensor.raw(), byte, tensor.size_bytes());
  }
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.size_bytes() == b.size_bytes() && (a.size_bytes() == 0 || std::memcmp(a.raw(), b.raw(), a.size_bytes()) == 0);
}

bool same_bytes(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::ranges::equal(a, b, [](const Tensor& left, const Tensor& right) { return same_bytes(left, right); });
}

std::vector<Tensor> clones(std::span<const Tensor> tensors) {
  std::vector<Tensor> copies;
  for (const Tensor& tensor : tensors) copies.push_back(tensor.clone());
  return copies;
}

double norm_of(std::span<const double> values) { return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0)); }

/// A tensor that the check moves: an input, or a trainable parameter.
struct Variable {
  std::string name;
  Tensor value;
  Parameter* parameter = nullptr;  // none for an input
  std::size_t input = 0;
};

using Gradients = std::vector<Tensor>;  // one per variable; undefined where it was not asked for

/// How one backward pass is asked to write.
struct Request {
  Write write = Write::assign;
  std::optional<std::size_t> only = {};    // the one variable to be written, or all
  std::optional<std::size_t> output = {};  // the one output whose gradient is defined, or all
};

class Check {
 public:
  Check(Layer& layer, std::span<const Tensor> inputs, const GradcheckOptions& options)
      : layer_(layer), options_(options), device_(Cpu(options.threads)), inputs_(clones(inputs)) {
    result_.layer = layer.type();
    set_up();
  }

  GradcheckResult run() {
    if (layer_.differentiable() && check_forward()) {
      const Gradients gradients = backward({});
      if (result_.passed()) {
        check_modes(gradients);
        check_outputs_one_by_one(gradients);
        check_frozen();
        for (std::size_t v = 0; v < variables_.size(); ++v) check_differences(variables_[v], gradients[v]);
      }
    } else if (!layer_.differentiable()) {
      fail("says that it is not differentiable, so there is nothing to check.");
    }
    restore();
    return std::move(result_);
  }

 private:
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
    const LayerPlan plan = layer_.setup(specs);
    for (const TensorSpec& spec : plan.outputs) outputs_.emplace_back(spec.shape, spec.dtype);
    for (const TensorSpec& spec : plan.saved) saved_.emplace_back(spec.shape, spec.dtype);

    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      const bool moved =
          is_float(inputs_[i].dtype()) && std::ranges::find(options_.not_differentiable, i) == options_.not_differentiable.end();
      if (moved) variables_.push_back({.name = fmt::format("input {}", i), .value = inputs_[i], .input = i});
    }
    layer_.visit([this](Parameter& parameter) {
      if (!options_.keep_parameters) draw(parameter);
      if (parameter.trainable()) {
        parameter.gradient = Tensor(parameter.value.shape(), parameter.value.dtype());
        variables_.push_back({.name = parameter.name, .value = parameter.value, .parameter = &parameter});
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

  /// Brings parameters and buffers back to the point of the check: forward may move running statistics.
  void restore() {
    for (std::size_t i = 0; i < parameters_.size(); ++i) parameters_[i]->value.copy_from(kept_[i]);
  }

  Context context() { return {.device = device_, .phase = options_.phase, .step = options_.step}; }

  void forward(int poison_byte = 0xA5) {
    for (const Tensor& tensor : outputs_) poison(tensor, poison_byte);
    for (const Tensor& tensor : saved_) poison(tensor, poison_byte);
    Context now = context();
    layer_.forward({.context = now, .inputs = inputs_, .outputs = outputs_, .saved = saved_});
  }

  /// sum over the outputs k of <r_k, output_k>, and the sum of the magnitudes, which says how exact that is.
  double loss() {
    forward();
    double sum = 0;
    double magnitude = 0;
    for (std::size_t k = 0; k < outputs_.size(); ++k) {
      if (!projections_[k].defined()) continue;
      const std::span<const double> output = outputs_[k].data<double>();
      const std::span<const double> weights = projections_[k].data<double>();
      for (std::size_t i = 0; i < output.size(); ++i) {
        sum += output[i] * weights[i];
        magnitude += std::abs(output[i] * weights[i]);
      }
    }
    magnitude_ = std::max(magnitude_, magnitude);
    restore();
    return sum;
  }

  bool check_forward() {
    if (!result_.passed()) return false;
    const std::vector<Tensor> inputs = clones(inputs_);
    forward();
    restore();
    for (std::size_t k = 0; k < outputs_.size(); ++k) {
      if (!projections_[k].defined()) continue;
      const std::span<const double> values = outputs_[k].data<double>();
      const auto bad = std::ranges::find_if(values, [](double value) { return !std::isfinite(value); });
      if (bad != values.end()) {
        fail("output {}[{}] is {} after forward; outputs and saved state start as NaN, so it was not written or reads what was not.", k,
             bad - values.begin(), *bad);
        return false;
      }
    }
    const std::vector<Tensor> first = clones(outputs_);
    forward(0x3C);
    restore();
    if (!same_bytes(first, outputs_))
      fail("a second forward with the same inputs gives other bits: it reads uninitialised memory or draws anew.");
    if (!same_bytes(inputs, inputs_)) fail("forward changed its inputs.");
    return result_.passed();
  }

  /// Hands the layer only what it says it needs, and checks that it writes nothing but gradients.
  void call_backward(const Request& request, std::span<const Gradient> input_gradients) {
    const BackwardNeeds needs = layer_.needs();
    const std::vector<Tensor> no_inputs(inputs_.size());
    const std::vector<Tensor> no_outputs(outputs_.size());
    std::vector<Tensor> output_gradients;
    for (std::size_t k = 0; k < outputs_.size(); ++k) {
      const bool defined = projections_[k].defined() && (!request.output || *request.output == k);
      output_gradients.push_back(defined ? projections_[k].clone() : Tensor());
    }
    const std::vector<Tensor> inputs = clones(inputs_);
    Context now = context();
    try {
      layer_.backward({.context = now,
                       .inputs = needs.inputs ? inputs_ : no_inputs,
                       .outputs = needs.outputs ? outputs_ : no_outputs,
                       .saved = saved_,
                       .output_gradients = output_gradients,
                       .input_gradients = input_gradients,
                       .parameters = request.write});
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

  /// One forward and one backward pass; the gradients are what was there before plus (add) or instead of it (assign).
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
      gradients[v] = variable.parameter != nullptr ? variable.parameter->gradient : Tensor(variable.value.shape(), DType::f64);
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

  /// That `got` is `expected` up to rounding; `offset` is added to what is expected.
  void expect_same(const Tensor& got, const Tensor& expected, const std::optional<Tensor>& offset, const std::string& name,
                   std::string_view what) {
    const std::span<const double> actual = got.data<double>();
    const std::span<const double> wanted = expected.data<double>();
    double largest = 1e-300;
    for (const double value : wanted) largest = std::max(largest, std::abs(value));
    if (offset) largest = std::max(largest, 1.0);
    for (std::size_t i = 0; i < actual.size(); ++i) {
      const double target = wanted[i] + (offset ? offset->data<double>()[i] : 0);
      if (!(std::abs(actual[i] - target) <= 1e-11 * largest)) {
        fail("{}: the gradient of {}[{}] is {} but expected {}.", what, name, i, actual[i], target);
        return;
      }
    }
  }

  /// Adding, and asking for one gradient alone, give what assigning all of them gave.
  void check_modes(const Gradients& gradients) {
    const Gradients added = backward({.write = Write::add});
    for (std::size_t v = 0; v < variables_.size(); ++v) {
      expect_same(added[v], gradients[v], before(v), variables_[v].name, "asked to add to a pre-filled gradient");
    }
    for (std::size_t v = 0; v < variables_.size(); ++v) {
      const Gradients alone = backward({.only = v});
      expect_same(alone[v], gradients[v], {}, variables_[v].name, "asked for this gradient alone");
    }
  }

  /// Backward is linear in the output gradients: one at a time, the others undefined, they sum to the whole.
  void check_outputs_one_by_one(const Gradients& gradients) {
    const auto carrying = std::ranges::count_if(projections_, [](const Tensor& projection) { return projection.defined(); });
    if (carrying < 2) return;
    Gradients sums;
    for (const Variable& variable : variables_) sums.push_back(Tensor::zeros(variable.value.shape(), DType::f64));
    for (std::size_t k = 0; k < outputs_.size(); ++k) {
      if (!projections_[k].defined()) continue;
      const Gradients part = backward({.output = k});
      for (std::size_t v = 0; v < variables_.size(); ++v) {
        std::ranges::transform(sums[v].data<double>(), part[v].data<double>(), sums[v].data<double>().begin(), std::plus<>());
      }
    }
    for (std::size_t v = 0; v < variables_.size(); ++v) {
      expect_same(sums[v], gradients[v], {}, variables_[v].name, "with one output gradient at a time defined");
    }
  }

  /// A frozen parameter: its gradient is not touched, nor its value.
  void check_frozen() {
    for (const Variable& variable : variables_) {
      if (variable.parameter == nullptr) continue;
      Parameter& parameter = *variable.parameter;
      const double multiplier = std::exchange(parameter.lr_mult, 0.0);
      const Tensor marks = random_normal(parameter.value.shape(), options_.seed + 99);
      parameter.gradient.copy_from(marks);
      const Tensor value = parameter.value.clone();
      forward();
      call_backward({}, std::vector<Gradient>(inputs_.size()));
      if (!same_bytes(parameter.gradient, marks)) fail("the frozen {} (lr_mult 0) got a gradient.", variable.name);
      if (!same_bytes(parameter.value, value)) fail("the frozen {} (lr_mult 0) was changed.", variable.name);
      restore();
      parameter.lr_mult = multiplier;
    }
  }

  std::vector<std::int64_t> chosen_elements(const Variable& variable) const {
    std::vector<std::int64_t> all(static_cast<std::size_t>(variable.value.count()));
    std::iota(all.begin(), all.end(), std::int64_t{0});
    if (options_.max_elements > 0 && variable.value.count() > options_.max_elements) {
      const Random random(options_.seed, stream_of(variable.name), 1);
      const auto wanted = static_cast<std::size_t>(options_.max_elements);
      for (std::size_t i = 0; i < wanted; ++i) std::swap(all[i], all[i + random.below(i, all.size() - i)]);
      all.resize(wanted);
    }
    return all;
  }

  bool near_kink(const Variable& variable, std::int64_t index, double width) const {
    const double value = variable.value.data<double>()[static_cast<std::size_t>(index)];
    for (const Kink& kink : options_.kinks) {
      if (kink.tensor == variable.name && std::abs(value - kink.at) <= width) return true;
    }
    return options_.near_kink && options_.near_kink(variable.name, index, width);
  }

  void check_differences(const Variable& variable, const Tensor& gradient) {
    const std::span<double> values = variable.value.data<double>();
    if (values.empty()) return;
    const double rms = norm_of(values) / std::sqrt(static_cast<double>(values.size()));
    const double step = options_.step_size * (rms > 0 ? rms : 1);
    const std::span<const double> analytic_all = gradient.data<double>();

    std::vector<std::int64_t> indices;
    std::vector<double> numeric;
    for (const std::int64_t index : chosen_elements(variable)) {
      if (near_kink(variable, index, options_.kink_width * step)) {
        ++result_.skipped;
        continue;
      }
      numeric.push_back(central_difference(variable, static_cast<std::size_t>(index), step));
      indices.push_back(index);
    }
    result_.checked += static_cast<std::int64_t>(indices.size());
    if (indices.empty()) {
      fail("{}: every element lies near a kink, so none was checked; move the input.", variable.name);
      return;
    }

    // What rounding alone does to a difference of two losses: an error below it says nothing.
    const double noise = 4 * std::numeric_limits<double>::epsilon() * magnitude_ / step;
    double largest = 0;
    for (const double value : analytic_all) largest = std::max(largest, std::abs(value));
    for (const double value : numeric) largest = std::max(largest, std::abs(value));
    std::vector<double> differences;
    double worst = 0;
    std::size_t worst_at = 0;
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const double analytic = analytic_all[static_cast<std::size_t>(indices[i])];
      const double difference = std::abs(analytic - numeric[i]);
      differences.push_back(difference <= noise ? 0 : difference);
      const double scale = std::max({std::abs(analytic), std::abs(numeric[i]), options_.element_floor * largest});
      const double error = differences.back() == 0 ? 0 : difference / scale;
      if (error > worst || std::isnan(error)) {
        worst = error;
        worst_at = i;
      }
    }
    const double numeric_norm = norm_of(numeric);
    const double difference_norm = norm_of(differences);
    const double relative = difference_norm == 0 ? 0 : difference_norm / std::max(numeric_norm, std::numeric_limits<double>::min());
    result_.worst_relative_l2 = std::max(result_.worst_relative_l2, relative);
    if (worst > result_.worst_element || result_.worst_tensor.empty()) {
      result_.worst_element = worst;
      result_.worst_tensor = fmt::format("{}[{}]", variable.name, indices[worst_at]);
    }
    if (!(relative <= options_.relative_l2) || !(worst <= options_.element)) {
      fail(
          "{}[{}]: analytic {:.10g}, numeric {:.10g} (element error {:.2g}, bar {:.0e}; the whole tensor's relative L2 is {:.2g}, bar "
          "{:.0e}).",
          variable.name, indices[worst_at], analytic_all[static_cast<std::size_t>(indices[worst_at])], numeric[worst_at], worst,
          options_.element, relative, options_.relative_l2);
    }
  }

  double central_difference(const Variable& variable, std::size_t index, double step) {
    const double kept = variable.value.data<double>()[index];
    // restore() would undo a moved parameter, so it is moved in the kept copy too.
    const auto move_to = [&](double moved) {
      variable.value.data<double>()[index] = moved;
      for (std::size_t i = 0; i < parameters_.size(); ++i) {
        if (parameters_[i] == variable.parameter) kept_[i].data<double>()[index] = moved;
      }
    };
    const double above = kept + step;
    const double below = kept - step;
    move_to(above);
    const double loss_above = loss();
    move_to(below);
    const double loss_below = loss();
    move_to(kept);
    return (loss_above - loss_below) / (above - below);
  }

  Layer& layer_;
  const GradcheckOptions& options_;
  Device device_;
  GradcheckResult result_;
  std::vector<Tensor> inputs_, outputs_, saved_;
  std::vector<Tensor> projections_;  // r_k, undefined for integer outputs
  std::vector<Variable> variables_;
  std::vector<Parameter*> parameters_;
  std::vector<Tensor> kept_;  // the parameters' values at the point of the check
  double magnitude_ = 0;
};

}  // namespace

GradcheckResult gradcheck(Layer& layer, std::span<const Tensor> inputs, const GradcheckOptions& options) {
  return Check(layer, inputs, options).run();
}

std::string GradcheckResult::report() const {
  std::string text = fmt::format("[{}] {} elements checked, {} near a kink; worst relative L2 {:.2g}, worst element {:.2g} at {}", layer,
                                 checked, skipped, worst_relative_l2, worst_element, worst_tensor.empty() ? "-" : worst_tensor);
  for (const std::string& failure : failures) text += "\n" + failure;
  return text;
}

Tensor random_normal(Shape shape, std::uint64_t seed, double deviation) {
  Tensor tensor(shape, DType::f64);
  const Random random(seed, stream_of("gradcheck"));
  const std::span<double> values = tensor.data<double>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = deviation * random.normal(i);
  return tensor;
}

}  // namespace amnet
