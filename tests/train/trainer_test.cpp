#include <amnet/train/trainer.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <set>

#include "catch.h"
#include "small_training.h"

using namespace amnet;
using namespace amnet::small_training;
using Catch::Contains;

namespace {

/// Batches of the circle in order, with the given sizes, one after the other.
class Ragged final : public BatchSource {
 public:
  explicit Ragged(std::vector<std::int64_t> sizes) : sizes_(std::move(sizes)) {}
  Batch next() override {
    Batch batch;
    const std::int64_t size = sizes_[batches_++ % sizes_.size()], begin = cursor_;
    cursor_ += size;
    for (std::int64_t i = begin; i < cursor_; ++i) batch.samples.push_back(i);
    for (const NamedTensor& one : tensors_) batch.tensors.push_back({one.name, one.tensor.slice(begin, cursor_)});
    return batch;
  }
  std::int64_t batch() const override { return *std::ranges::max_element(sizes_); }
  std::int64_t epoch() const override { return 300; }
  std::int64_t cursor() const override { return cursor_; }
  void seek(std::int64_t cursor) override { cursor_ = cursor; }
  std::uint64_t fingerprint() const override { return 1; }

 private:
  std::vector<NamedTensor> tensors_ = circle();
  std::vector<std::int64_t> sizes_;
  std::size_t batches_ = 0;
  std::int64_t cursor_ = 0;
};

/// points -> fully connected -> loss: no randomness, no batch statistics.
Model plain_model() {
  Model model{.roles = {.labels = "labels", .loss = "loss"}};
  const Value points = model.net.input("points", {1, 2}), labels = model.net.input("labels", {1}, DType::i64);
  model.net.add("loss", SoftmaxCrossEntropy(), {model.net.add("fc", FullyConnected(2), {points}), labels});
  return model;
}

void copy_momentum(Trainer& from, Trainer& to) {
  for (std::size_t i = 0; i < from.solver().state().size(); ++i) {
    REQUIRE(from.solver().state()[i].name == to.solver().state()[i].name);
    to.solver().state()[i].value.copy_from(from.solver().state()[i].value);
  }
}

}  // namespace

TEST_CASE("trainer: any net learns on any source, its layers of somebody's own too", "[trainer]") {
  SmallTraining small;
  Trainer trainer(small.device, small.model, small.source, {.steps = 300});
  CHECK(trainer.meters()["loss"] == 0);
  double at_first = 0;
  while (trainer.run_step()) {
    if (trainer.step() == 15) at_first = trainer.meters()["loss"];
    if (trainer.step() % 15 == 0 && !trainer.is_last()) trainer.close_interval();
  }
  CHECK(trainer.step() == 300);
  CHECK(trainer.epoch() == 20);
  CHECK(!trainer.run_step());
  CHECK(trainer.meters().count() == 15);
  CHECK(trainer.meters()["loss"] < 0.75 * at_first);
  CHECK(trainer.meters()["accuracy"] > 0.75);
  CHECK(trainer.clock().steps() == 300);
  CHECK_THROWS_WITH(trainer.latest("recall"), Contains("'recall'"));
  CHECK_THROWS_WITH(trainer.meters()["recall"], Contains("'loss', 'accuracy'") && Contains("'recall'"));
}

TEST_CASE("trainer: a net that nobody has filled is drawn from the seed, another is left as it is", "[trainer]") {
  SmallTraining drawn, filled;
  const Trainer of_drawn(drawn.device, drawn.model, drawn.source, {.seed = 5});
  filled.model.net.initialise(5);
  CHECK(bits_of(drawn.model.net) == bits_of(filled.model.net));
  const Trainer of_filled(filled.device, filled.model, filled.source, {.seed = 6});
  CHECK(bits_of(drawn.model.net) == bits_of(filled.model.net));
  // A program that freezes a parameter has not filled one.
  SmallTraining frozen;
  frozen.model.net.visit([](const std::string& name, Parameter& parameter) { parameter.lr_mult = name == "fc1.bias" ? 0 : 1; });
  const Trainer of_frozen(frozen.device, frozen.model, frozen.source, {.seed = 5});
  CHECK(bits_of(drawn.model.net) == bits_of(frozen.model.net));
}

TEST_CASE("trainer: the number of the step goes on, so that dropout draws anew", "[trainer]") {
  SmallTraining small;
  small.source = TensorSource(circle(), {.batch = 300, .shuffle = false});
  Trainer trainer(small.device, small.model, small.source, {.steps = 3, .schedule = {.base = 0}});
  std::set<double> losses;
  while (trainer.run_step()) losses.insert(trainer.latest("loss"));
  CHECK(losses.size() == 3);
}

TEST_CASE("trainer: the gradient of a step is the mean of its batches'", "[trainer]") {
  Device device = Cpu(1);
  Model once = plain_model(), twice = plain_model();
  Ragged whole({20}), halves({10});
  Trainer of_whole(device, once, whole, {.steps = 5}), of_halves(device, twice, halves, {.steps = 5, .accumulate = 2});
  while (of_whole.run_step() && of_halves.run_step()) {
  }
  CHECK(of_halves.step() == 5);
  CHECK(of_halves.meters().count() == 10);
  CHECK(of_halves.meters()["loss"] == Approx(of_whole.meters()["loss"]).epsilon(1e-6));
  std::vector<float> a, b;
  once.net.look([&](const std::string&, const Parameter& p) { std::ranges::copy(p.value.data<float>(), std::back_inserter(a)); });
  twice.net.look([&](const std::string&, const Parameter& p) { std::ranges::copy(p.value.data<float>(), std::back_inserter(b)); });
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(b[i] == Approx(a[i]).margin(1e-6));
}

TEST_CASE("trainer: batches may be smaller than planned", "[trainer]") {
  Device device = Cpu(1);
  Model ragged = plain_model(), apart = plain_model();
  Ragged source({20, 7, 1});
  Trainer trainer(device, ragged, source, {.steps = 6});
  while (trainer.run_step()) {
  }
  CHECK(source.cursor() == 56);
  // The same done directly, with a plan for each size.
  apart.net.initialise(1);
  Solver solver(apart.net, {});
  Ragged again({20, 7, 1});
  for (std::int64_t step = 0; step < 6; ++step) {
    const Batch batch = again.next();
    Plan plan(apart.net, {.batch = batch.size(), .loss = apart.loss()});
    for (const NamedTensor& one : batch.tensors) plan.value(one.name).copy_from(one.tensor);
    plan.forward(device, {.step = {.number = step, .seed = 1}});
    plan.backward(device);
    solver.step(device, plan, 0.1);
  }
  CHECK(bits_of(ragged.net) == bits_of(apart.net));
}

TEST_CASE("trainer: the state and the tensors are all that a run goes on from", "[trainer]") {
  SmallTraining whole, first, second;
  const TrainerOptions options{.steps = 40, .accumulate = 2, .seed = 11};
  Trainer straight(whole.device, whole.model, whole.source, options);
  while (straight.run_step()) {
  }
  Trainer begun(first.device, first.model, first.source, options);
  for (int step = 0; step < 17; ++step) begun.run_step();
  Options more;
  more.set("best_step", {std::int64_t{12}});
  Trainer resumed(second.device, second.model, second.source, options);
  const Options kept = resumed.restore(begun.state(more), "state.json");
  CHECK(kept == more);
  CHECK(resumed.step() == 17);
  copy_parameters(first.model.net, second.model.net);
  copy_momentum(begun, resumed);
  while (resumed.run_step()) {
  }
  CHECK(bits_of(second.model.net) == bits_of(whole.model.net));
  CHECK(resumed.state() == straight.state());
  CHECK(resumed.meters()["loss"] == straight.meters()["loss"]);
}

TEST_CASE("trainer: a state of other data or settings is refused by name", "[trainer]") {
  SmallTraining small;
  Trainer trainer(small.device, small.model, small.source, {.seed = 11});
  trainer.run_step();
  const std::string state = trainer.state();
  const auto refusal = [&](TensorSource source, const TrainerOptions& options) {
    SmallTraining other;
    other.source = std::move(source);
    Trainer changed(other.device, other.model, other.source, options);
    try {
      changed.restore(state, "state.json");
    } catch (const UsageError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const TrainerOptions options{.seed = 11};
  CHECK(refusal(TensorSource(circle(), {.batch = 20, .seed = 7}), options).empty());
  CHECK_THAT(refusal(TensorSource(circle(), {.batch = 20}), {.seed = 12}), Contains("seed 11 but now it is 12") && Contains(".seed"));
  CHECK_THAT(refusal(TensorSource(circle(), {.batch = 30}), options), Contains("batch 20 but now it is 30"));
  CHECK_THAT(refusal(TensorSource(circle(), {.batch = 20}), {.accumulate = 2, .seed = 11}), Contains("accumulate 1 but now it is 2"));
  std::vector<NamedTensor> others = circle();
  others[0].tensor.data<float>()[5] += 1;
  CHECK_THAT(refusal(TensorSource(others, {.batch = 20}), options), Contains("other data"));
  for (const char* key : {"step", "samples", "seed", "batch", "accumulate", "data_fingerprint", "meters", "loss", "accuracy", "count"}) {
    INFO(key);
    std::string without = state;
    without.replace(without.find("\"" + std::string(key) + "\""), std::string(key).size() + 2, "\"other\"");
    SmallTraining fresh;
    Trainer untouched(fresh.device, fresh.model, fresh.source, {.seed = 11});
    const std::string before = untouched.state();
    CHECK_THROWS_AS(untouched.restore(without, "x"), DataError);
    CHECK(untouched.state() == before);  // nothing is partly restored
  }
  CHECK_THROWS_WITH(trainer.restore("{", "state.json"), Contains("state.json: this is no training state"));
  CHECK_THROWS_WITH(trainer.restore("{}", "state.json"), Contains("state.json: this is no training state"));
  CHECK_THROWS_WITH(trainer.restore(R"({"version":2})", "state.json"), Contains("version 2") && Contains("version 1"));
}

TEST_CASE("trainer: what is not finite ends it at its step, and its update changes nothing", "[trainer]") {
  SmallTraining small;
  std::vector<NamedTensor> points = circle();
  points[0].tensor.slice(41, 42).fill(std::numeric_limits<double>::quiet_NaN());
  small.source = TensorSource(points, {.batch = 20, .shuffle = false});
  Trainer trainer(small.device, small.model, small.source, {.steps = 10});
  trainer.run_step();
  trainer.run_step();
  auto before = bits_of(small.model.net);
  try {
    trainer.run_step();
    FAIL("no error");
  } catch (const NonFiniteStep& error) {
    CHECK(error.step == 3);
    CHECK_THAT(error.where, Contains("'fc1'"));
    CHECK(error.batch.samples.front() == 40);
    CHECK_THAT(error.what(), Contains("Step 3 is not finite, first of all in"));
  }
  auto after = bits_of(small.model.net);
  for (const char* of_a_forward_pass : {"norm.running_mean", "norm.running_variance", "norm.weight_of_past", "gain.passes"}) {
    before.erase(of_a_forward_pass);
    after.erase(of_a_forward_pass);
  }
  CHECK(before == after);
  CHECK(!trainer.whole());
}

TEST_CASE("trainer: a batch that cannot be used is refused before it changes anything", "[trainer]") {
  SmallTraining small;
  std::vector<NamedTensor> tensors = circle();
  tensors[1].tensor.data<std::int64_t>()[25] = 2;
  small.source = TensorSource(tensors, {.batch = 20, .shuffle = false});
  Trainer trainer(small.device, small.model, small.source, {.steps = 10});
  trainer.run_step();
  const auto before = bits_of(small.model.net);
  const std::string state = trainer.state();
  CHECK_THROWS_AS(trainer.run_step(), DataError);
  CHECK(trainer.whole());
  CHECK(trainer.step() == 1);
  CHECK(bits_of(small.model.net) == before);
  CHECK(trainer.state() == state);

  SmallTraining of_three;
  of_three.source = small.source;
  of_three.source.seek(0);
  Trainer accumulating(of_three.device, of_three.model, of_three.source, {.steps = 10, .accumulate = 3});
  CHECK_THROWS_AS(accumulating.run_step(), DataError);  // its second batch
  CHECK(of_three.source.cursor() == 0);

  struct OfOther final : BatchSource {
    Batch next() override { return {.tensors = circle(), .samples = {0, 1, 2}}; }
    std::int64_t batch() const override { return 20; }
    std::int64_t epoch() const override { return 300; }
    std::int64_t cursor() const override { return 0; }
    void seek(std::int64_t) override {}
    std::uint64_t fingerprint() const override { return 0; }
  } of_other;
  SmallTraining uneven;
  Trainer mistaken(uneven.device, uneven.model, of_other, {});
  CHECK_THROWS_WITH(mistaken.run_step(), Contains("a row of 'points' for each of 3 samples but got (300,2)"));
  CHECK(mistaken.whole());
  CHECK_THROWS_WITH(Trainer(small.device, small.model, small.source, {.probes = {std::make_shared<FeatureProbe>()}}),
                    Contains("no class weights"));

  Model lossless{.roles = {.labels = "labels"}};
  CHECK_THROWS_WITH(Trainer(small.device, lossless, small.source, {}), Contains("no loss"));
  CHECK_THROWS_WITH(Trainer(small.device, small.model, small.source, {.accumulate = 0}), Contains(".accumulate"));
  CHECK_THROWS_WITH(Trainer(small.device, small.model, small.source, {.schedule = {.policy = SchedulePolicy::poly}}),
                    Contains(".max_steps"));
  CHECK_THROWS_WITH(TensorSource({}, {}), Contains("at least one tensor"));
  CHECK_THROWS_WITH(TensorSource({{"a", Tensor({3, 1}, DType::f32)}, {"b", Tensor({4}, DType::i64)}}, {}), Contains("as many rows in 'b'"));
}

TEST_CASE("trainer: probes tell of a step beside it", "[trainer]") {
  // The loss that a probe sees, and the position at that time.
  struct Twice final : Probe {
    std::vector<std::string> names() const override { return {"twice", "samples"}; }
    void look(const ProbeArgs& args) const override {
      args.numbers.data<double>()[0] = 2 * args.plan.value(args.model.loss()).item();
      args.numbers.data<double>()[1] = static_cast<double>(args.samples);
    }
  };
  SmallTraining small;
  Trainer trainer(small.device, small.model, small.source,
                  {.steps = 4, .accumulate = 3, .probes = {std::make_shared<GradientNorm>(), std::make_shared<Twice>()}});
  CHECK(trainer.meters().names() == std::vector<std::string>{"loss", "accuracy", "twice", "samples"});
  trainer.run_step();
  trainer.run_step();
  CHECK(trainer.latest("twice") == 2 * trainer.latest("loss"));
  CHECK(trainer.latest("samples") == 20);
  CHECK(trainer.meters()["twice"] == Approx(2 * trainer.meters()["loss"]).epsilon(1e-12));
  double squares = 0;
  trainer.plan().visit([&](const std::string&, Parameter&, const Tensor& gradient) {
    for (const float value : gradient.data<float>()) squares += double{value} * double{value};
  });
  CHECK(trainer.latest("gradient_norm") == Approx(std::sqrt(squares)).epsilon(1e-12));
  CHECK(trainer.latest("gradient_norm") > 0);

  // One that runs only at every third step: its value stays until then.
  SmallTraining other;
  const auto third = [](std::int64_t step) { return step % 3 == 2; };
  Trainer rarely(other.device, other.model, other.source, {.steps = 9, .probes = {std::make_shared<GradientNorm>(third)}});
  std::vector<double> told;
  while (rarely.run_step()) told.push_back(rarely.latest("gradient_norm"));
  CHECK(told[0] == 0);
  CHECK((told[2] > 0 && told[3] == told[2] && told[4] == told[2] && told[5] != told[2]));
}

TEST_CASE("tensor source: each sample once an epoch, in an order of its own, from wherever one begins", "[trainer]") {
  TensorSource source(circle(), {.batch = 20, .seed = 7});
  std::vector<std::vector<std::int64_t>> epochs;
  for (int epoch = 0; epoch < 2; ++epoch) {
    std::vector<std::int64_t>& order = epochs.emplace_back();
    for (int batch = 0; batch < 15; ++batch) std::ranges::copy(source.next().samples, std::back_inserter(order));
    CHECK(std::set(order.begin(), order.end()).size() == 300);
  }
  CHECK(epochs[0] != epochs[1]);
  TensorSource later(circle(), {.batch = 20, .seed = 7});
  later.seek(290);  // a batch that continues over the end of the epoch
  const Batch batch = later.next();
  CHECK(std::equal(batch.samples.begin(), batch.samples.begin() + 10, epochs[0].end() - 10));
  CHECK(std::equal(batch.samples.begin() + 10, batch.samples.end(), epochs[1].begin()));
  CHECK(later.cursor() == 310);
  const Tensor points = circle()[0].tensor;
  for (std::int64_t n = 0; n < 20; ++n) {
    CHECK(batch.tensors[0].tensor.slice(n, n + 1).data<float>()[1] ==
          points.slice(batch.samples[static_cast<std::size_t>(n)], batch.samples[static_cast<std::size_t>(n)] + 1).data<float>()[1]);
  }
}
