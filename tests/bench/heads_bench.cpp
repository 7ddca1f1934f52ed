// Whole heads: from features to the loss and back to the gradients of features and class weights,
// with every loss. Their products are limited by reading and writing the class weights.
#include <amnet/faces/heads.h>
#include <amnet/layers/parameter.h>
#include <amnet/net/plan.h>

#include <memory>

#include "measure.h"
#include "network_shapes.h"

namespace amnet::bench {
namespace {

/// A head between features that are parameters, so that their gradient is computed, and its loss.
struct TrainedHead {
  explicit TrainedHead(const HeadOptions& options, Device on) : device(std::move(on)) {
    const Value features =
        net.add("features", ParameterLayer({.extents = {batch, embedding}, .value = {.filler = Filler::gaussian(1)}}), {});
    const Value labels = net.fixed_input("labels", {batch}, DType::i64);
    const Head head = add_head(net, features, labels, options);
    net.initialise(1);
    plan = std::make_unique<Plan>(net, PlanOptions{.batch = 1, .loss = head.loss});
    std::int64_t next = 0;
    for (std::int64_t& label : plan->value(labels).data<std::int64_t>()) label = 37 * next++ % options.classes;
  }
  void step() {
    plan->forward(device, {.step = {.number = number++}});
    plan->backward(device);
  }

  Net net;
  Device device;
  std::unique_ptr<Plan> plan;
  std::int64_t number = 0;
};

void add_head_case(Bench& bench, const std::string& name, HeadOptions options, std::int64_t classes) {
  options.classes = classes;
  const std::int64_t columns = classes * options.centres.value_or(1);
  // the class weights are read for the cosines and for both gradients, and their gradient is
  // written
  const Cost cost{.bytes = 4.0 * 4 * static_cast<double>(columns * embedding)};
  add_case(bench, "head/" + name + "_" + std::to_string(classes), cost,
           [&bench, options] { return [head = std::make_shared<TrainedHead>(options, bench.cpu)] { head->step(); }; });
}

}  // namespace

void add_heads(Bench& bench) {
  for (const std::int64_t classes : head_classes) {
    for (const LossKind loss : {LossKind::amsoftmax, LossKind::arcface, LossKind::combined, LossKind::sphereface, LossKind::sphereface_r,
                                LossKind::sphereface2, LossKind::curricularface, LossKind::magface, LossKind::adaface}) {
      add_head_case(bench, std::string(name_of(loss)), {.loss = loss}, classes);
    }
  }
  for (const std::int64_t centres : {2, 3}) {
    add_head_case(bench, "arcface_" + std::to_string(centres) + "_centres", {.loss = LossKind::arcface, .centres = centres},
                  head_classes[0]);
  }
}

}  // namespace amnet::bench
