#include <amnet/testing/gradcheck.h>

#include <numeric>

#include "hostile_run.h"

namespace amnet {
namespace {

double norm_of(std::span<const double> values) { return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0)); }

class Check : HostileRun {
 public:
  using HostileRun::HostileRun;

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
  /// sum over the outputs k of <r_k, output_k>, and the sum of the magnitudes, which says how exact
  /// that is.
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
    forward(0x3C, false);
    restore();
    if (!same_bytes(first, outputs_)) {
      fail(
          "a second forward with the same inputs gives other bits: it reads uninitialised memory, draws anew, or depends on whether "
          "a backward pass is to come (the first time it was, now it is not).");
    }
    if (!same_bytes(inputs, inputs_)) fail("forward changed its inputs.");
    return result_.passed();
  }

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

  /// Backward is linear in the output gradients: one at a time, the others undefined, they sum to
  /// the whole.
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

  /// A frozen parameter: it has no gradient to write, and backward does not ask for one; its value
  /// stays.
  void check_frozen() {
    for (const Variable& variable : variables_) {
      if (variable.parameter == nullptr) continue;
      Parameter& parameter = *variable.parameter;
      const double multiplier = std::exchange(parameter.lr_mult, 0.0);
      const Tensor value = parameter.value.clone();
      forward();
      call_backward({}, std::vector<Gradient>(inputs_.size()));
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

    // The effect of rounding alone on a difference of two losses: an error below it has no meaning.
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

  double magnitude_ = 0;  // of the terms of the loss: what rounding is relative to
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
