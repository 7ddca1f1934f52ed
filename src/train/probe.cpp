#include <amnet/kernels/feature_statistics.h>
#include <amnet/kernels/sum_of_squares.h>
#include <amnet/train/probe.h>

#include <cmath>

namespace amnet {

namespace {

Tensor class_weights_of(const Model& model) {
  Tensor class_weights;
  model.net.look([&](const std::string& name, const Parameter& parameter) {
    if (name == model.roles.class_weights) class_weights = parameter.value;
  });
  require(class_weights.defined(), "[feature probe] the model has no class weights '{}'; say in its roles which parameter holds them.",
          model.roles.class_weights);
  return class_weights;
}

}  // namespace

std::vector<Value> FeatureProbe::reads(const Model& model) const {
  static_cast<void>(class_weights_of(model));
  static_cast<void>(model.labels());
  return {model.embedding()};
}

void FeatureProbe::look(const ProbeArgs& args) const {
  const Plan& plan = args.plan;
  const Tensor class_weights = class_weights_of(args.model);
  on(args.device, [&](auto& backend) {
    feature_statistics(backend, plan.value(args.model.embedding()).slice(0, args.samples), class_weights,
                       plan.value(args.model.labels()).slice(0, args.samples), args.numbers, args.model.roles.centres);
  });
}

void GradientNorm::look(const ProbeArgs& args) const {
  if (when_ && !when_(args.step)) return;
  on(args.device, [&](auto& backend) { sum_of_squares(backend, args.plan.gradients(), args.numbers); });
}

void GradientNorm::conclude(std::span<double> numbers) const { numbers[0] = std::sqrt(numbers[0]); }

}  // namespace amnet
