#include <amnet/faces/heads.h>
#include <amnet/layers/accuracy.h>
#include <amnet/layers/normalize.h>
#include <amnet/layers/scale_shift.h>

#include <cmath>

namespace amnet {
namespace {

void check(const HeadOptions& options) {
  require(options.classes >= 1, "[head] expected at least 1 class but got {}.", options.classes);
  require(std::isfinite(options.scale) && options.scale > 0, "[head] expected a scale > 0 but got {}.", options.scale);
  require(std::isfinite(options.margin) && options.margin >= 0 && options.margin < 2, "[head] expected a margin in [0, 2) but got {}.",
          options.margin);
  require(options.epsilon >= 0, "[head] expected an epsilon >= 0 but got {}.", options.epsilon);
}

}  // namespace

Head add_head(Net& net, Value features, Value labels, const HeadOptions& options) {
  check(options);
  Head head;
  std::vector<Value> loss_inputs;
  SoftmaxCrossEntropyOptions loss;

  if (options.loss == LossKind::softmax) {
    head.logits = net.add("fc6", FullyConnected(options.classes), {features});
    loss_inputs = {head.logits, labels};
  } else {
    const Value unit = net.add("norm1", Normalize({.epsilon = options.epsilon, .norm_output = !options.feature_norm}), {features});
    Value scaled = unit;
    if (options.loss == LossKind::normface) {
      // One learned scale, of the features instead of their cosines: s (u w) = (s u) w, and its
      // gradient is computed from a small tensor.
      ScaleShiftOptions scale{.shared = true, .with_shift = false};
      scale.scale = {.filler = Filler::constant(options.scale), .lr_mult = 1, .decay_mult = 0};
      scaled = net.add("scale", ScaleShift(scale), {unit});
    }
    head.logits = net.add(
        "fc6", FullyConnected(options.classes, {.with_bias = false, .row_norm = options.rows, .epsilon = options.epsilon}), {scaled});
    loss_inputs = {head.logits, labels};
    if (options.loss == LossKind::amsoftmax) {
      loss.margin = options.margin;
      loss.rule = options.margin_rule;
      if (options.feature_norm) {
        loss.scale = options.scale;
      } else {
        // The reference code's face_train_test_wo_fn.prototxt: the margin grows by 5e-5 a step up
        // to its full size.
        loss.schedule = MarginSchedule{.base = 0, .gamma = -5e-5, .power = 1, .min = -options.margin, .max = 0};
        loss.sample_scale = true;
        loss_inputs.push_back(net.output(unit, 1));
      }
    }
  }
  head.loss = net.add("loss", SoftmaxCrossEntropy(loss), loss_inputs);
  head.accuracy = net.add("accuracy", Accuracy(), {head.logits, labels});
  return head;
}

Head add_head(Model& model, const HeadOptions& options) {
  const Value features = model.embedding();
  const Head head = add_head(model.net, features, model.net.input("labels", {1}, DType::i64), options);
  model.roles.labels = "labels";
  model.roles.loss = "loss";
  model.roles.metrics.push_back({.name = "accuracy", .value = "accuracy"});
  model.roles.class_weights = "fc6.weight";
  return head;
}

}  // namespace amnet
