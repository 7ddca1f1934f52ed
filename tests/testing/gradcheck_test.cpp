// The gradient check itself: a correct layer passes, and each of the seeded bugs is found and
// named.
#include <amnet/testing/gradcheck.h>

#include <limits>
#include <memory>

#include "catch.h"

namespace {

using namespace amnet;

enum class Bug {
  none,
  wrong_sign,
  slightly_wrong,     // by 1e-5, in every element
  one_element_wrong,  // by 1e-3, in one element
  assigns_when_adding,
  adds_when_assigning,
  parameter_assigns_when_adding,
  reads_undeclared_input,
  reads_undeclared_output,
  output_not_written,
  output_depends_on_poison,
  saved_not_written,
  writes_frozen_gradient,
  moves_frozen_value,
  writes_output_gradient,
  writes_input,
  wants_every_output_gradient,
  forgets_second_output,
  gradient_only_with_parameters,
};

/// y0 = w x per column, y1 = x^2; keeps w x in `saved` and reads x again in backward.
class Planted final : public Layer {
 public:
  explicit Planted(Bug bug) : bug_(bug) {}

  std::string_view type() const override { return "planted"; }
  void build(std::span<const TensorSpec> inputs) override {
    create(weight_, "weight", Shape{inputs[0].shape[1]}, DType::f64, {.filler = Filler::constant(1)});
  }
  LayerPlan setup(std::span<const TensorSpec> inputs) const override { return {.outputs = {inputs[0], inputs[0]}, .saved = {inputs[0]}}; }
  BackwardNeeds needs() const override { return {.inputs = bug_ != Bug::reads_undeclared_input, .outputs = false}; }

  void forward(const ForwardArgs& args) const override {
    const auto x = args.inputs[0].data<double>();
    const auto w = weight_.value.data<double>();
    const auto y0 = args.outputs[0].data<double>();
    const auto y1 = args.outputs[1].data<double>();
    const auto kept = args.saved[0].data<double>();
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (bug_ == Bug::output_not_written && i == 3) continue;
      y0[i] = w[i % w.size()] * x[i];
      y1[i] = bug_ == Bug::output_depends_on_poison && y1[i] < 0 ? 0 : x[i] * x[i];
      if (bug_ != Bug::saved_not_written || i != 2) kept[i] = x[i];
    }
    if (bug_ == Bug::writes_input) args.inputs[0].data<double>()[0] += 1e-9;
    if (bug_ == Bug::moves_frozen_value && !weight_.trainable()) weight_.value.data<double>()[0] += 1;
  }

  void backward(const BackwardArgs& args) const override {
    const auto x = args.inputs[0].data<double>();
    if (bug_ == Bug::reads_undeclared_output) args.outputs[0].data<double>();
    const auto kept = args.saved[0].data<double>();
    const auto w = weight_.value.data<double>();
    const Tensor& dy0 = args.output_gradients[0];
    const Tensor& dy1 = args.output_gradients[1];
    if (bug_ == Bug::wants_every_output_gradient) dy1.data<double>();
    const Gradient dx = args.input_gradients[0];
    const Gradient dw = args.gradient_of(weight_);
    const auto slope = [](const Tensor& dy, std::size_t i) { return dy.defined() ? dy.data<double>()[i] : 0.0; };
    const auto put = [](double& target, double value, bool add) { target = add ? target + value : value; };
    if (dx && (bug_ != Bug::gradient_only_with_parameters || dw)) {
      for (std::size_t i = 0; i < x.size(); ++i) {
        double value = w[i % w.size()] * slope(dy0, i);
        if (bug_ != Bug::forgets_second_output) value += 2 * kept[i] * slope(dy1, i);
        if (bug_ == Bug::wrong_sign) value = -value;
        if (bug_ == Bug::slightly_wrong) value *= 1 + 1e-5;
        if (bug_ == Bug::one_element_wrong && i == 1) value *= 1 + 1e-3;
        const bool add = (dx.write == Write::add && bug_ != Bug::assigns_when_adding) || bug_ == Bug::adds_when_assigning;
        put(dx.tensor.data<double>()[i], value, add);
      }
    }
    if (dw || bug_ == Bug::writes_frozen_gradient) {
      const auto out = dw.tensor.data<double>();
      std::vector<double> sums(w.size(), 0.0);
      for (std::size_t i = 0; i < x.size(); ++i) sums[i % w.size()] += x[i] * slope(dy0, i);
      for (std::size_t c = 0; c < w.size(); ++c) {
        put(out[c], sums[c], args.parameters == Write::add && bug_ != Bug::parameter_assigns_when_adding);
      }
    }
    if (bug_ == Bug::writes_output_gradient && dy0.defined()) dy0.data<double>()[0] = 0;
  }
  void visit(const ParameterVisitor& visitor) override { visitor(weight_); }

 private:
  Bug bug_;
  Parameter weight_;
};

GradcheckResult check(Bug bug, GradcheckOptions options = {}) {
  Planted layer(bug);
  const Tensor x = random_normal({4, 3}, 5);
  return gradcheck(layer, {&x, 1}, options);
}

}  // namespace

TEST_CASE("gradcheck itself: a right layer passes", "[gradcheck]") {
  const GradcheckResult result = check(Bug::none);
  INFO(result.report());
  CHECK(result.passed());
  CHECK(result.checked == 12 + 3);
  CHECK(result.worst_relative_l2 < 1e-9);
}

TEST_CASE("gradcheck itself: every planted bug is found", "[gradcheck]") {
  struct Case {
    Bug bug;
    const char* says;
  };
  for (const auto& [bug, says] : {
           Case{Bug::wrong_sign, "[planted] input 0["},
           Case{Bug::slightly_wrong, "[planted] input 0["},
           Case{Bug::one_element_wrong, "[planted] input 0[1]: analytic"},
           Case{Bug::assigns_when_adding, "asked to add to a pre-filled gradient: the gradient of input 0["},
           Case{Bug::adds_when_assigning, "the gradient of input 0[0] is nan"},
           Case{Bug::parameter_assigns_when_adding, "asked to add to a pre-filled gradient: the gradient of weight["},
           Case{Bug::reads_undeclared_input, "backward threw"},
           Case{Bug::reads_undeclared_output, "backward threw"},
           Case{Bug::output_not_written, "output 0[3] is nan"},
           Case{Bug::output_depends_on_poison, "a second forward with the same inputs gives other bits"},
           Case{Bug::saved_not_written, "the gradient of input 0[2] is nan"},
           Case{Bug::writes_frozen_gradient, "backward threw"},
           Case{Bug::moves_frozen_value, "the frozen weight (lr_mult 0) was changed"},
           Case{Bug::writes_output_gradient, "backward changed the gradient of output 0"},
           Case{Bug::writes_input, "forward changed its inputs"},
           Case{Bug::wants_every_output_gradient, "backward threw"},
           Case{Bug::forgets_second_output, "[planted] input 0["},
           Case{Bug::gradient_only_with_parameters, "the gradient of input 0[0] is nan"},
       }) {
    const GradcheckResult result = check(bug);
    INFO("bug " << static_cast<int>(bug) << ", expected \"" << says << "\" in\n" << result.report());
    CHECK_FALSE(result.passed());
    CHECK(result.report().find(says) != std::string::npos);
  }
}

TEST_CASE("gradcheck itself: kinks are left out, and a check of nothing fails", "[gradcheck]") {
  GradcheckOptions options;
  options.near_kink = [](std::string_view tensor, std::int64_t index, double) { return tensor == "input 0" && index < 5; };
  // element 1 is left out of the differences
  const GradcheckResult some = check(Bug::one_element_wrong, options);
  CHECK(some.skipped == 5);
  CHECK(some.passed());
  options.near_kink = [](std::string_view, std::int64_t, double) { return true; };
  CHECK_FALSE(check(Bug::none, options).passed());
}

TEST_CASE("gradcheck itself: a random subset of elements, and parameters put back", "[gradcheck]") {
  Planted layer(Bug::none);
  const Tensor x = random_normal({40, 3}, 5);
  const GradcheckResult result = gradcheck(layer, {&x, 1}, {.max_elements = 10});
  CHECK(result.passed());
  CHECK(result.checked == 10 + 3);
  Tensor weight;
  layer.visit([&](Parameter& parameter) { weight = parameter.value.clone(); });
  REQUIRE(gradcheck(layer, {&x, 1}, {.keep_parameters = true}).passed());
  layer.visit([&](Parameter& parameter) {
    CHECK(std::ranges::equal(parameter.value.data<double>(), weight.data<double>()));
    CHECK(parameter.lr_mult == 1);
  });
  CHECK_THROWS_AS(gradcheck(layer, std::vector<Tensor>{Tensor({2, 3}, DType::f32)}), UsageError);
}
