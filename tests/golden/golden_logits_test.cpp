// The layers that change logits, one by one, against the arrays of the reference code: in its CPU
// and its GPU arithmetic.
#include <amnet/layers/angular_margin.h>
#include <amnet/layers/distance.h>
#include <amnet/layers/hard_margin.h>
#include <amnet/layers/lse_margin.h>
#include <amnet/layers/sample_scale.h>
#include <amnet/layers/sphere_product.h>
#include <amnet/layers/target_margin.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>

#include "golden/judge.h"
#include "shared_data.h"

namespace {

using namespace amnet;
using namespace golden;

/// A layer with the names that its inputs, outputs and parameters have in the files.
struct Case {
  std::string name;
  std::function<std::unique_ptr<Layer>()> make;
  int steps = 1;
  Phase phase = Phase::train;
  std::vector<std::string> inputs = {"x", "label"};
  std::vector<std::string> outputs = {"y"};
};

class Runner {
 public:
  Runner(const Npz& file, const Case& the, Judge& judge) : file_(file), case_(the), judge_(judge), layer_(the.make()) {}

  void run() {
    for (int step = 0; step < case_.steps; ++step) {
      prefix_ = case_.steps == 1 ? "" : fmt::format("step{}/", step);
      read_inputs();
      if (step == 0) build();
      forward(step);
      compare_parameters();
      backward(step);
    }
  }

 private:
  std::string key(const std::string& array) const { return case_.name + "/" + array; }
  std::string of_step(const std::string& array) const { return key(prefix_ + array); }
  bool has(const std::string& array) const { return file_.has(of_step(array)); }
  Array at(const std::string& array) const { return file_.at(of_step(array)); }

  void read_inputs() {
    inputs_.resize(case_.inputs.size());
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (!has("in/" + case_.inputs[i])) continue;  // as in the step before
      const Array array = at("in/" + case_.inputs[i]);
      inputs_[i] = case_.inputs[i] == "label" ? labels_of(array) : tensor_of(array);
    }
  }
  void build() {
    std::vector<TensorSpec> specs;
    for (const Tensor& input : inputs_) specs.push_back({input.shape(), input.dtype()});
    layer_->build(specs);
    plan_ = layer_->setup(specs);
    layer_->visit([&](Parameter& parameter) {
      const std::string name = fmt::format("param/L/{}", parameters_.size());
      if (file_.has(key(name))) {
        parameter.value.copy_from(tensor_of(file_.at(key(name))));
        names_.push_back("L/" + std::to_string(parameters_.size()));
        parameters_.push_back(&parameter);
        before_.push_back(parameter.value.clone());
      }
    });
    REQUIRE(plan_.outputs.size() == case_.outputs.size());
    const auto make = [](const std::vector<TensorSpec>& specs_of) {
      std::vector<Tensor> tensors;
      for (const TensorSpec& spec : specs_of) tensors.push_back(Tensor::zeros(spec.shape, spec.dtype));
      return tensors;
    };
    outputs_ = make(plan_.outputs);
    saved_ = make(plan_.saved);
    scratch_ = make(plan_.scratch);
  }
  Context context(int step) { return {.device = device_, .phase = case_.phase, .step = Step{.number = step}}; }

  void forward(int step) {
    Context now = context(step);
    layer_->forward({.context = now, .inputs = inputs_, .outputs = outputs_, .saved = saved_});
    for (std::size_t k = 0; k < outputs_.size(); ++k) judge_.compare(of_step(case_.outputs[k]), at("out/" + case_.outputs[k]), outputs_[k]);
  }
  void compare_parameters() {
    for (std::size_t p = 0; p < parameters_.size(); ++p) {
      // Where the reference code did not change it, there is no array.
      if (has("param_after_forward/" + names_[p])) before_[p] = tensor_of(at("param_after_forward/" + names_[p]));
      judge_.compare(of_step("param_after_forward/" + names_[p]), before_[p], parameters_[p]->value);
    }
  }
  void backward(int step) {
    std::vector<Tensor> slopes;
    for (std::size_t k = 0; k < outputs_.size(); ++k) {
      const std::string name = "dout/" + case_.outputs[k];
      Tensor slope;
      if (k == 0) slope = tensor_of(at(name)).reshaped(outputs_[k].shape());
      slopes.push_back(slope);
    }
    std::vector<Gradient> gradients;
    for (const Tensor& input : inputs_) {
      gradients.push_back(input.dtype() == DType::i64 ? Gradient{} : Gradient{Tensor(input.shape(), DType::f32), Write::assign});
    }
    std::vector<ParameterGradient> of_parameters;
    for (const Parameter* parameter : parameters_) {
      if (parameter->trainable()) of_parameters.push_back({parameter, Tensor(parameter->value.shape(), DType::f32)});
    }
    Context now = context(step);
    layer_->backward({.context = now,
                      .inputs = inputs_,
                      .outputs = outputs_,
                      .saved = saved_,
                      .output_gradients = slopes,
                      .input_gradients = gradients,
                      .scratch = scratch_,
                      .parameter_gradients = of_parameters});
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (gradients[i]) judge_.compare(of_step("din/" + case_.inputs[i]), at("din/" + case_.inputs[i]), gradients[i].tensor);
    }
    for (const ParameterGradient& one : of_parameters) {
      const auto index = static_cast<std::size_t>(std::ranges::find(parameters_, one.parameter) - parameters_.begin());
      judge_.compare(of_step("dparam/" + names_[index]), at("dparam/" + names_[index]), one.gradient);
    }
  }

  const Npz& file_;
  const Case& case_;
  Judge& judge_;
  std::unique_ptr<Layer> layer_;
  Device device_ = Cpu(2);
  std::string prefix_;
  LayerPlan plan_;
  std::vector<Tensor> inputs_, outputs_, saved_, scratch_, before_;
  std::vector<Parameter*> parameters_;
  std::vector<std::string> names_;
};

template <class L, class... Args>
std::function<std::unique_ptr<Layer>()> layer(Args... args) {
  return [=] { return std::make_unique<L>(args...); };
}

void check(const std::string& test, const std::string& group, std::initializer_list<Case> cases) {
  const auto shared = shared_directory();
  if (!shared) return skip_visibly(test);
  const Npz file(*shared / "golden" / ("layers_" + group + ".npz"));
  Judge judge(1e-5);
  for (const Case& each : cases) {
    INFO(group << ", " << each.name);
    Runner(file, each, judge).run();
  }
  std::printf("golden %s: %s\n", group.c_str(), judge.summary().c_str());
}

using Names = std::vector<std::string>;
const Names with_margin = {"y", "margin"};

Case target_margin(std::string name, TargetMarginOptions options, int steps = 1, Phase phase = Phase::train) {
  options.rule = MarginRule::cos_gt_m;
  return {.name = std::move(name),
          .make = layer<TargetMargin>(options),
          .steps = steps,
          .phase = phase,
          .outputs = options.margin_output ? with_margin : Names{"y"}};
}

Case angular_margin(std::string name, Arithmetic arithmetic, AngularMarginLayerOptions options, int steps = 1, Phase phase = Phase::train) {
  options.arithmetic = arithmetic;
  options.margin_output = true;
  return {.name = std::move(name), .make = layer<AngularMargin>(options), .steps = steps, .phase = phase, .outputs = with_margin};
}

Case sample_scale(std::string name, SampleScaleOptions options, Phase phase = Phase::train) {
  return {.name = std::move(name),
          .make = layer<SampleScale>(options),
          .phase = phase,
          .inputs = {"x", "s"},
          .outputs = options.global ? Names{"y", "g"} : Names{"y"}};
}

Case sphere_product(const std::string& name, SphereProductOptions options, int steps = 1) {
  for (const auto& [prefix, multiplier] :
       {std::pair{"mip_single", 1}, std::pair{"mip_double", 2}, std::pair{"mip_triple", 3}, std::pair{"mip_quadruple", 4}}) {
    if (name.starts_with(prefix)) options.multiplier = multiplier;
  }
  options.lambda_output = options.reference = true;
  return {.name = name, .make = layer<SphereProduct>(std::int64_t{7}, options), .steps = steps, .outputs = {"y", "lambda"}};
}

const MarginSchedule annealed{.base = 0, .gamma = -5e-5, .power = 1, .min = -0.4, .max = 0, .first_step = 3000};

}  // namespace

TEST_CASE("golden: target_margin is LabelSpecificAdd", "[golden]") {
  const std::string test = "golden: target_margin is LabelSpecificAdd";
  check(test, "label_specific_add.cpu",
        {target_margin("lsa_const", {.margin = 0.35}), target_margin("lsa_const_positive_bias", {.margin = -0.2}),
         target_margin("lsa_const_2tops", {.margin = 0.35, .margin_output = true}),
         target_margin("lsa_test_phase_transform_test_true", {.margin = 0.35}, 1, Phase::test),
         target_margin("lsa_anneal_wo_fn", {.schedule = annealed, .margin_output = true}, 4),
         target_margin("lsa_anneal_default_clamps", {.schedule = MarginSchedule{.base = -0.2}, .margin_output = true}, 2)});
  check(
      test, "label_specific_add.emu",
      {target_margin("lsa_const", {.margin = 0.35}), target_margin("lsa_anneal_wo_fn", {.schedule = annealed, .margin_output = true}, 4)});
}

TEST_CASE("golden: angular_margin is LabelSpecificMargin", "[golden]") {
  const AngularMarginLayerOptions from_25{.schedule = AngularMarginSchedule{.base = 25, .gamma = 0}};
  for (const auto& [engine, arithmetic] : {std::pair{"cpu", Arithmetic::reference_cpu}, std::pair{"emu", Arithmetic::reference_gpu}}) {
    check(
        "golden: angular_margin is LabelSpecificMargin", std::string("label_specific_margin.") + engine,
        {angular_margin("lsm_hard_const20deg", arithmetic, {}), angular_margin("lsm_hard_base_gamma0", arithmetic, from_25, 2),
         angular_margin("lsm_hard_extreme", arithmetic, {}), angular_margin("lsm_soft_1p35", arithmetic, {.kind = AngularMarginKind::soft}),
         angular_margin("lsm_test_phase", arithmetic, from_25, 1, Phase::test)});
  }
}

TEST_CASE("golden: hard_margin is LabelSpecificHardMargin", "[golden]") {
  const auto one = [](std::string name, double weight) {
    return Case{.name = std::move(name),
                .make = layer<HardMargin>(HardMarginOptions{.positive_weight = weight, .margin_output = true, .reference = true}),
                .outputs = {"y", "mean_margin"}};
  };
  check("golden: hard_margin is LabelSpecificHardMargin", "label_specific_hard_margin.emu", {one("lshm_w0.5", 0.5), one("lshm_w0.8", 0.8)});
}

TEST_CASE("golden: lse_margin is GlobalLSEMargin", "[golden]") {
  const auto one = [](std::string name, int steps, LseMarginLayerOptions options) {
    options.statistics = options.reference = true;
    Case the{.name = std::move(name), .make = layer<LseMargin>(options), .steps = steps, .outputs = {"y", "stat"}};
    if (options.feature_norm) the.inputs.push_back("fnorm");
    return the;
  };
  check("golden: lse_margin is GlobalLSEMargin", "global_lse_margin.emu",
        {one("glse_learned_scale", 4, {}), one("glse_feature_norm", 3, {.feature_norm = true}),
         one("glse_scale_clamped", 1, {.min_scale = 5, .max_scale = 20})});
}

TEST_CASE("golden: sample_scale is ChannelScale", "[golden]") {
  for (const auto& [engine, arithmetic] : {std::pair{"cpu", Arithmetic::reference_cpu}, std::pair{"emu", Arithmetic::reference_gpu}}) {
    check("golden: sample_scale is ChannelScale", std::string("channel_scale.") + engine,
          {sample_scale("cs_default_4d", {}), sample_scale("cs_do_backward_feature_false", {.do_backward_feature = false}),
           sample_scale("cs_do_backward_scale_false", {.do_backward_scale = false}),
           sample_scale("cs_do_forward_false", {.do_forward = false}),
           sample_scale("cs_global_scale_preset", {.global = GlobalScaleOptions{.max = 25, .output = true}, .arithmetic = arithmetic},
                        Phase::test)});
  }
}

TEST_CASE("golden: sphere_product is MarginInnerProduct", "[golden]") {
  const SphereProductOptions schedule{.base = 1000, .gamma = 0.12, .power = 1, .lambda_min = 5}, pure{.base = 0};
  SphereProductOptions late = schedule;
  late.first_step = 100000;
  for (const std::string engine : {"cpu", "emu"}) {
    check("golden: sphere_product is MarginInnerProduct", "margin_inner_product." + engine,
          {sphere_product("mip_single", schedule, 2), sphere_product("mip_single_lambda0", pure),
           sphere_product("mip_double_lambda0", pure), sphere_product("mip_triple", schedule, 2), sphere_product("mip_triple_lmin", late),
           sphere_product("mip_triple_lambda0", pure), sphere_product("mip_quadruple", schedule, 2),
           sphere_product("mip_quadruple_lmin", late), sphere_product("mip_quadruple_lambda0", pure)});
  }
}

TEST_CASE("golden: distance is InnerDistance", "[golden]") {
  for (const auto& [engine, epsilon] : {std::pair{"cpu", 1e-6}, std::pair{"emu", 0.0}}) {
    const auto one = [](std::string name, DistanceOptions options, Names inputs) {
      return Case{.name = std::move(name), .make = layer<Distance>(std::int64_t{5}, options), .inputs = std::move(inputs)};
    };
    check("golden: distance is InnerDistance", std::string("inner_distance.") + engine,
          {one("id_l1", {.kind = DistanceKind::l1, .reference = true}, {"x"}),
           one("id_l2_normalize", {.row_norm = RowNorm::in_place, .epsilon = epsilon}, {"x"}),
           one("id_l2_two_bottoms", {.weight_from_input = true}, {"x", "c"}),
           one("id_l2_update_center_only", {.weight_from_input = true, .update_center_only = true}, {"x", "c", "label"})});
  }
}
