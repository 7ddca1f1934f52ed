// Runs with observers: a log, checkpoints, and resuming from them.
#include <amnet/io/durable_file.h>
#include <amnet/model/model_file.h>
#include <amnet/train/checkpoints.h>
#include <amnet/train/step_log.h>
#include <amnet/train/train_run.h>

#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "catch.h"
#include "data/test_images.h"
#include "small_training.h"

using namespace amnet;
using namespace amnet::small_training;
using Catch::Contains;
using test_images::TemporaryFolder;

namespace {

/// Records each call, and does what a test requests after a step.
class Recorder final : public Observer {
 public:
  Recorder(std::string name, std::vector<std::string>& calls) : name_(std::move(name)), calls_(calls) {}
  std::function<void(TrainRun&)> at_step = {};
  std::int64_t owed_at = -1;

  void open(TrainRun&) override { note("open"); }
  void start(TrainRun&) override { note("start"); }
  void catch_up(TrainRun&) override { note("catch_up"); }
  void after_step(TrainRun& run) override {
    note(fmt::format("step {}", run.trainer().step()));
    if (at_step) at_step(run);
  }
  bool owes(const TrainRun& run) const override { return run.trainer().step() == owed_at; }
  void finish(TrainRun&, bool stopped) override { note(stopped ? "stopped" : "finished"); }
  void fail(TrainRun&, const std::exception& error) noexcept override { note(error.what()); }

 private:
  void note(std::string_view call) { calls_.push_back(fmt::format("{} {}", name_, call)); }

  std::string name_;
  std::vector<std::string>& calls_;
};

/// Stops a run after a step.
class StopAt final : public Observer {
 public:
  explicit StopAt(std::int64_t step) : step_(step) {}
  void after_step(TrainRun& run) override {
    if (run.trainer().step() == step_) run.ask(TrainRequest::stop);
  }

 private:
  std::int64_t step_;
};

/// Runs the small training in a folder, as a program that may have been stopped before.
struct InFolder {
  explicit InFolder(std::filesystem::path where, TrainerOptions options = {.steps = 40, .seed = 3})
      : folder(std::move(where)), trainer(small.device, small.model, small.source, std::move(options)) {}

  bool run(std::int64_t stop_at = -1, CheckpointsOptions options = {.every = 15}) {
    StopAt stop(stop_at);
    RunLog log(folder / "train.log", [this](std::string_view line) { lines += std::string(line) + "\n"; });
    StepLog step_log(folder, log, {.every = 10});
    Checkpoints checkpoints(folder, log, std::move(options));
    return log.logging_errors([&] { return train(trainer, {&step_log, &stop, &checkpoints}); });
  }

  std::filesystem::path folder;
  SmallTraining small;
  Trainer trainer;
  std::string lines;
};

std::string bytes_of(const std::filesystem::path& path) { return read_file(path, std::size_t{1} << 24); }

}  // namespace

TEST_CASE("train run: observers are called in their order, at the end in the opposite one", "[train_run]") {
  SmallTraining small;
  Trainer trainer(small.device, small.model, small.source, {.steps = 2});
  std::vector<std::string> calls;
  Recorder a("a", calls), b("b", calls);
  CHECK(!train(trainer, {&a, &b}));
  CHECK(calls == std::vector<std::string>{"a open", "b open", "a start", "b start", "a step 1", "b step 1", "a step 2", "b step 2",
                                          "b finished", "a finished"});

  SmallTraining other;
  Trainer failing(other.device, other.model, other.source, {.steps = 2});
  calls.clear();
  b.at_step = [](TrainRun&) { throw DataError("it went wrong."); };
  CHECK_THROWS_AS(train(failing, {&a, &b}), DataError);
  CHECK(std::vector<std::string>(calls.end() - 2, calls.end()) == std::vector<std::string>{"b it went wrong.", "a it went wrong."});
}

TEST_CASE("train run: a stop lets the step end, and after the last step counts only where something is owed", "[train_run]") {
  std::vector<std::string> calls;
  const auto stopped_at = [&](std::int64_t step, std::int64_t owed_at) {
    SmallTraining small;
    Trainer trainer(small.device, small.model, small.source, {.steps = 3});
    Recorder one("", calls);
    one.owed_at = owed_at;
    const TrainHooks hooks{.poll = [&] { return trainer.step() >= step ? TrainRequest::stop : TrainRequest::none; }};
    const bool stopped = train(trainer, {&one}, hooks);
    return std::pair(stopped, trainer.step());
  };
  CHECK(stopped_at(2, -1) == std::pair(true, std::int64_t{2}));
  CHECK(stopped_at(3, -1) == std::pair(false, std::int64_t{3}));
  CHECK(stopped_at(3, 3) == std::pair(true, std::int64_t{3}));
}

TEST_CASE("train run: progress tells step, time left and what is done", "[train_run]") {
  SmallTraining small;
  Trainer trainer(small.device, small.model, small.source, {.steps = 3});
  std::vector<TrainProgress> shown;
  train(trainer, {}, {.progress = [&](const TrainProgress& progress) { shown.push_back(progress); }});
  REQUIRE(shown.size() == 3);
  CHECK(shown[1].step == 2);
  CHECK(shown[1].steps == 3);
  CHECK(shown[1].activity == "training");
  CHECK(shown[1].meters["loss"] > 0);
  CHECK(shown[0].seconds_left > 0);
  CHECK(shown[2].seconds_left == 0);
}

TEST_CASE("checkpoints: a run that was stopped goes on to the same bytes, whatever its layers are", "[train_run]") {
  const TemporaryFolder folder;
  InFolder whole(folder.path() / "whole");
  CHECK(!whole.run());
  // the second one in the middle of an interval of the log
  for (const std::int64_t stop : {7, 23}) {
    InFolder part(folder.path() / "parts");
    CHECK(part.run(stop));
    CHECK(part.trainer.step() == stop);
    CHECK_THAT(part.lines, Contains(fmt::format("Stopped on request after step {} of 40", stop)));
  }
  InFolder rest(folder.path() / "parts");
  CHECK(!rest.run());
  CHECK_THAT(rest.lines, Contains("Resumed from") && Contains("at step 23") && Contains("Finished 40 steps"));
  for (const char* file : {"model.safetensors", "solver.safetensors", "state.json"}) {
    INFO(file);
    CHECK(bytes_of(folder.path() / "whole/last" / file) == bytes_of(folder.path() / "parts/last" / file));
  }
  const Table table = read_table(folder.path() / "parts/metrics.csv");
  CHECK(table.names ==
        std::vector<std::string>{"step", "epoch", "loss", "accuracy", "learning_rate", "samples_per_second", "wait_fraction"});
  CHECK(table.column("step") == std::vector<double>{10, 20, 30, 40});
  CHECK(table.column("loss") == read_table(folder.path() / "whole/metrics.csv").column("loss"));

  // A checkpoint contains the model, exact to the bit, for a program that knows its types.
  const Model loaded = load_model(folder.path() / "parts", {.own = own_types});
  CHECK(bits_of(loaded.net) == bits_of(whole.small.model.net));
  CHECK(loaded.roles == whole.small.model.roles);
  CHECK_THROWS_WITH(load_model(folder.path() / "parts"), Contains("'gain'"));
}

TEST_CASE("checkpoints: a run of Adam with a schedule goes on to the same bytes, and by no other method", "[train_run]") {
  const TemporaryFolder folder;
  const auto options_of = [](SolverMethod method) {
    return TrainerOptions{.steps = 40,
                          .accumulate = 2,
                          .schedule = {.policy = SchedulePolicy::poly, .base = 0.01, .max_steps = 40},
                          .solver = {.method = method, .clip_norm = 0.5},
                          .seed = 3};
  };
  for (const SolverMethod method : {SolverMethod::adam, SolverMethod::adamw, SolverMethod::nesterov}) {
    const std::filesystem::path here = folder.path() / name_of(method);
    InFolder whole(here / "whole", options_of(method));
    CHECK(!whole.run());
    for (const std::int64_t stop : {7, 23}) {
      InFolder part(here / "parts", options_of(method));
      CHECK(part.run(stop));
    }
    for (const SolverMethod other : {SolverMethod::sgd, SolverMethod::nesterov, SolverMethod::adam, SolverMethod::adamw}) {
      if (other == method) continue;
      InFolder changed(here / "parts", options_of(other));
      CHECK_THROWS_WITH(changed.run(), Contains(fmt::format("started with the solver {} but now it is {}; give .solver.method as before",
                                                            name_of(method), name_of(other))));
    }
    InFolder rest(here / "parts", options_of(method));
    CHECK(!rest.run());
    for (const char* file : {"model.safetensors", "solver.safetensors", "state.json"}) {
      INFO(file);
      CHECK(bytes_of(here / "whole/last" / file) == bytes_of(here / "parts/last" / file));
    }
    CHECK((read_safetensors(here / "whole/last/solver.safetensors").find("fc1.weight.square") != nullptr) ==
          (method != SolverMethod::nesterov));
  }
  // A run of SGD says nothing of its method, as before there was another.
  InFolder plain(folder.path() / "plain", options_of(SolverMethod::sgd));
  CHECK(plain.run(2));
  CHECK(bytes_of(folder.path() / "plain/last/state.json").find("solver") == std::string::npos);
  InFolder adam(folder.path() / "plain", options_of(SolverMethod::adam));
  CHECK_THROWS_WITH(adam.run(), Contains("started with the solver sgd but now it is adam"));
}

TEST_CASE("checkpoints: a model of another shape or with another layer is refused by its first difference", "[train_run]") {
  const TemporaryFolder folder;
  InFolder(folder.path()).run(5);
  SmallTraining other;
  other.model = Model{.roles = {.labels = "labels", .loss = "loss"}};
  const Value points = other.model.net.input("points", {1, 2}), labels = other.model.net.input("labels", {1}, DType::i64);
  const Value wider = other.model.net.add("fc1", FullyConnected(17), {points});
  other.model.net.add("loss", SoftmaxCrossEntropy(), {other.model.net.add("fc2", FullyConnected(2), {wider}), labels});
  Trainer trainer(other.device, other.model, other.source, {.steps = 40, .seed = 3});
  RunLog log(folder.path() / "train.log", {});
  Checkpoints checkpoints(folder.path(), log);
  CHECK_THROWS_WITH(train(trainer, {&checkpoints}), Contains("fc1") && Contains("16") && Contains("17"));
}

TEST_CASE("checkpoints: a net that cannot be described trains and goes on, and save_model names its layer", "[train_run]") {
  struct Nameless final : Layer {
    std::string_view type() const override { return "nameless"; }
    LayerPlan setup(std::span<const TensorSpec> inputs) const override { return {.outputs = {inputs[0]}}; }
    void forward(const ForwardArgs& args) const override { args.outputs[0].copy_from(args.inputs[0]); }
    void backward(const BackwardArgs& args) const override {
      const Gradient& dx = args.input_gradients[0];
      const auto to = dx.tensor.data<float>(), from = args.output_gradients[0].data<float>();
      for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[i] + (dx.write == Write::add ? to[i] : 0);
    }
  };
  const TemporaryFolder folder;
  const auto run = [&](const std::string& out, std::int64_t stop_at) {
    SmallTraining small;
    small.model = Model{.roles = {.labels = "labels", .loss = "loss"}};
    Net& net = small.model.net;
    const Value points = net.input("points", {1, 2}), labels = net.input("labels", {1}, DType::i64);
    const Value value = net.add("odd", Nameless(), {net.add("fc1", FullyConnected(8), {points})});
    net.add("loss", SoftmaxCrossEntropy(), {net.add("fc2", FullyConnected(2), {value}), labels});
    Trainer trainer(small.device, small.model, small.source, {.steps = 12});
    StopAt stop(stop_at);
    RunLog log(folder.path() / out / "train.log", {});
    Checkpoints checkpoints(folder.path() / out, log, {.every = 5});
    train(trainer, {&stop, &checkpoints});
    CHECK_THROWS_WITH(save_model(folder.path() / "model.safetensors", net), Contains("'odd'") && Contains("nameless"));
    return bits_of(net);
  };
  const auto whole = run("whole", -1);
  run("parts", 7);
  CHECK(run("parts", -1) == whole);
  CHECK_THROWS_WITH(load_model(folder.path() / "parts"), Contains("'odd'"));
}

TEST_CASE("checkpoints: an error that leaves a whole step behind saves it, one in a step does not", "[train_run]") {
  const TemporaryFolder folder;
  std::vector<std::string> calls;
  {
    InFolder run(folder.path() / "kept");
    Recorder failing("", calls);
    failing.at_step = [](TrainRun& at) {
      if (at.trainer().step() == 8) throw DataError("a picture.");
    };
    RunLog log(run.folder / "train.log", {});
    Checkpoints checkpoints(run.folder, log, {.every = 5});
    CHECK_THROWS_AS(log.logging_errors([&] { return train(run.trainer, {&failing, &checkpoints}); }), DataError);
    CHECK(checkpoints.last().filename() == "step_00000008");
    CHECK_THAT(bytes_of(run.folder / "train.log"),
               Contains("The state after step 8 is saved in") && Contains("Ended by an error: a picture."));
  }
  InFolder rest(folder.path() / "kept");
  rest.run();
  InFolder whole(folder.path() / "whole");
  whole.run();
  CHECK(bits_of(rest.small.model.net) == bits_of(whole.small.model.net));

  std::vector<NamedTensor> points = circle();
  points[0].tensor.slice(61, 62).fill(std::numeric_limits<double>::infinity());
  SmallTraining bad;
  bad.source = TensorSource(points, {.batch = 20, .shuffle = false});
  Trainer trainer(bad.device, bad.model, bad.source, {.steps = 40});
  RunLog log(folder.path() / "bad/train.log", {});
  Checkpoints checkpoints(folder.path() / "bad", log, {.every = 2});
  CHECK_THROWS_WITH(train(trainer, {&checkpoints}), Contains("Step 4 is not finite") && Contains("non_finite_batch.json"));
  CHECK_THAT(bytes_of(folder.path() / "bad/non_finite_batch.json"), Contains("\"sample 61\""));
  CHECK(checkpoints.last().filename() == "step_00000002");
}

TEST_CASE("checkpoints: a text that must stay as it was holds a run to it", "[train_run]") {
  const TemporaryFolder folder;
  CHECK(InFolder(folder.path()).run(5, {.texts = {{"labels.csv", "0,7\n", "the labels are others."}, {"config.toml", "a = 1\n"}}}));
  CHECK(bytes_of(folder.path() / "last/config.toml") == "a = 1\n");
  CHECK_THROWS_WITH(InFolder(folder.path()).run(-1, {.texts = {{"labels.csv", "0,8\n", "the labels are others."}}}),
                    Contains("labels.csv: the labels are others."));
  CHECK(!InFolder(folder.path()).run(-1, {.texts = {{"labels.csv", "0,7\n", "the labels are others."}, {"config.toml", "a = 2\n"}}}));
}

TEST_CASE("checkpoints: a folder with a run is refused by a new one, and a snapshot is written at once", "[train_run]") {
  const TemporaryFolder folder;
  CHECK(InFolder(folder.path()).run(5));
  CHECK_THROWS_WITH(InFolder(folder.path()).run(-1, {.resume = ""}), Contains("holds a run of 5 steps") && Contains(".resume auto"));
  InFolder rest(folder.path());
  std::vector<std::string> calls;
  Recorder snapshot("", calls);
  snapshot.at_step = [](TrainRun& run) {
    if (run.trainer().step() == 7) run.ask(TrainRequest::snapshot);
  };
  RunLog log(folder.path() / "train.log", {});
  Checkpoints checkpoints(folder.path(), log, {.every = 1000, .keep = 10});
  train(rest.trainer, {&snapshot, &checkpoints});
  CHECK(std::filesystem::exists(folder.path() / "step_00000007"));
  CHECK(!std::filesystem::exists(folder.path() / "step_00000008"));
  CHECK(std::filesystem::exists(folder.path() / "step_00000040"));
}
