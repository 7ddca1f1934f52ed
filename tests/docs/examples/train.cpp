#include "example.h"
#include "train/small_training.h"

using namespace amnet;
using examples::print;

namespace {

/// Points inside and outside a circle (small_training.h), with a model that has every role that
/// observers need.
struct Points {
  Tensor points = small_training::circle()[0].tensor, labels = small_training::circle()[1].tensor;
  Device device = Cpu(1);
  Model model = circle_model();
  TensorSource source{{{"points", points}, {"labels", labels}}, {.batch = 20}};

  static Model circle_model() {
    Model made{.roles = {.labels = "labels",
                         .embedding = "features",
                         .loss = "loss",
                         .metrics = {{"accuracy", "accuracy"}},
                         .class_weights = "classes.weight"}};
    Net& net = made.net;
    const Value inputs = net.input("points", {1, 2}), classes = net.input("labels", {1}, DType::i64);
    const Value features =
        net.add("features", FullyConnected(8), {net.add("relu", Relu(), {net.add("fc1", FullyConnected(16), {inputs})})});
    const Value logits = net.add("classes", FullyConnected(2), {features});
    net.add("loss", SoftmaxCrossEntropy(), {logits, classes});
    net.add("accuracy", Accuracy(), {logits, classes});
    return made;
  }
};

}  // namespace

EXAMPLE("train/batch_source.h") {
#include "example_of/train/batch_source.h"
  Waves waves;
  CHECK(waves.next().size() == 1);
  CHECK(waves.cursor() == 1);
}

EXAMPLE("train/checkpoints.h") {
  auto [points, labels, device, model, source] = Points();
  Trainer trainer(device, model, source, {.steps = 10});
  RunLog log("train.log");
#include "example_of/train/checkpoints.h"
  CHECK(checkpoints.last() == "runs/a/step_00000010");
}

EXAMPLE("train/health.h") {
  RunLog log("train.log");
  const Signs signs{.step = 20, .samples = 20 * 128, .accuracy = 0.1, .feature_norm = 20, .gradient_norm = 1};
#include "example_of/train/health.h"
  CHECK(health.feature_norm.first == 20);
}

EXAMPLE("train/health_observer.h") {
  auto [points, labels, device, model, source] = Points();
  Trainer trainer(device, model, source, {.steps = 20, .probes = {std::make_shared<FeatureProbe>(), std::make_shared<GradientNorm>()}});
  std::filesystem::create_directories("runs/a");
  RunLog log("runs/a/train.log");
  StepLog step_log("runs/a", log);
#include "example_of/train/health_observer.h"
  CHECK(trainer.is_last());
}

EXAMPLE("train/meters.h") {
#include "example_of/train/meters.h"
  CHECK(meters["loss"] == 3.5);
}

EXAMPLE("train/observer.h") {
  auto [points, labels, device, model, source] = Points();
  Trainer trainer(device, model, source, {.steps = 2});
#include "example_of/train/observer.h"
  CHECK(trainer.is_last());
}

EXAMPLE("train/parameter_rates.h") {
  auto [points, labels, device, model, source] = Points();
#include "example_of/train/parameter_rates.h"
  CHECK(chosen.str() == "Frozen: 2 of 6 parameters, 48 of 202 values (fc1); another learning rate: 2.");
}

EXAMPLE("train/probe.h") {
  auto [points, labels, device, model, source] = Points();
#include "example_of/train/probe.h"
  CHECK(trainer.meters()["feature_norm"] > 0);
  CHECK(trainer.latest("gradient_norm") > 0);
}

EXAMPLE("train/run_log.h") {
  std::filesystem::create_directories("runs/a");
#include "example_of/train/run_log.h"
  CHECK_THAT(read_file("runs/a/train.log"), Catch::Contains("Learning rate 0.1"));
}

EXAMPLE("train/schedule.h") {
#include "example_of/train/schedule.h"
  CHECK(schedule.at(16000) == Approx(0.01));
  CHECK(falling.at(50) == Approx(0.025));
}

EXAMPLE("train/solver.h") {
  auto [points, labels, device, model, source] = Points();
  Net& net = model.net;
  net.initialise(1);
  Plan plan(net, {.batch = 300, .loss = model.loss()});
  plan.value("points").copy_from(points);
  plan.value("labels").copy_from(labels);
  plan.forward(device);
  plan.backward(device);
  const Schedule schedule;
  const std::int64_t iteration = 0;
#include "example_of/train/solver.h"
}

EXAMPLE("train/step_clock.h") {
#include "example_of/train/step_clock.h"
  CHECK(clock.samples_per_second() == 128);
  CHECK(clock.seconds_for(1000) == 500);
}

EXAMPLE("train/step_log.h") {
  auto [points, labels, device, model, source] = Points();
  Trainer trainer(device, model, source, {.steps = 40});
  std::filesystem::create_directories("runs/a");
#include "example_of/train/step_log.h"
  CHECK(read_table("runs/a/metrics.csv").rows() == 2);
}

EXAMPLE("train/table_file.h") {
  std::filesystem::create_directories("runs/a");
#include "example_of/train/table_file.h"
  CHECK(loss == 3.25);
}

EXAMPLE("train/tensor_source.h") {
  auto [points, labels, device, model, other] = Points();
#include "example_of/train/tensor_source.h"
  CHECK(source.epoch() == 300);
}

EXAMPLE("train/tensorboard.h") {
  auto [points, labels, device, model, source] = Points();
  Trainer trainer(device, model, source, {.steps = 40});
  std::filesystem::create_directories("runs/a");
#include "example_of/train/tensorboard.h"
  CHECK(!std::filesystem::is_empty("runs/a/tensorboard"));  // of the log's steps 20 and 40
}

EXAMPLE("train/train_run.h") {
  auto [points, labels, device, model, source] = Points();
#include "example_of/train/train_run.h"
  CHECK(checkpoints.last() == "runs/a/step_00001000");
  CHECK(read_table("runs/a/metrics.csv").rows() == 50);
  CHECK_THAT(read_file("runs/a/train.log"), Catch::Contains("Step 1000/1000"));
}

EXAMPLE("train/train_step.h") {
  auto [points, labels, device, model, source] = Points();
  model.net.initialise(1);
#include "example_of/train/train_step.h"
}

EXAMPLE("train/trainer.h") {
  auto [points, labels, device, model, other] = Points();
#include "example_of/train/trainer.h"
  CHECK(trainer.step() == 1000);
}
