// What a plan may not change: gradients and features, whatever runs as one, in groups, with prepared weights, for fewer samples, or beside
// other plans of the net.
#include "catch.h"
#include "net/fill_random.h"

#include <amnet/layers/add.h>
#include <amnet/layers/conv2d.h>
#include <amnet/layers/flatten.h>
#include <amnet/layers/fully_connected.h>
#include <amnet/layers/prelu.h>
#include <amnet/net/heads.h>
#include <amnet/net/plan.h>
#include <amnet/net/plan_cache.h>

#include <cmath>
#include <map>
#include <set>
#include <thread>
#include <utility>
#include <vector>

using namespace amnet;

namespace {

/// Residual sums in every arrangement that a plan has to tell apart.
struct ResidualNet {
  Net net{DType::f64};
  Value images, labels;
  std::vector<Value> values = {};  // all between the images and the head
  Head head = {};

  ResidualNet(std::int64_t height, std::int64_t width) {
    images = net.input("data", {1, height, width, 16});
    labels = net.input("labels", {1}, DType::i64);
    Value value = convolve("a", images);
    value = add("one", {value, convolve("b", value)});                     // a block of one convolution: reads `value` twice
    value = add("two", {value, convolve("d", convolve("c", value))});      // a block of two
    value = add("swapped", {convolve("f", convolve("e", value)), value});  // the branch comes first
    value = add("three", {value, convolve("g", value), value});            // not a sum of two
    const Value before = value;
    value = add("inner", {before, convolve("k", convolve("j", before))});  // not the last to read `before`
    value = add("outer", {before, convolve("l", value)});
    const Value early = convolve("h", value, 2);
    const Value late = convolve("i", value, 2);
    value = add("late", {early, late});  // the other side is made after the branch began, or before
    value = add("small", {value, convolve("n", convolve("m", value))});
    const Value flat = net.add("flat", Flatten(), {value});
    head = add_head(net, net.add("fc", FullyConnected({.outputs = 4}), {flat}), labels, {.classes = 3});
    net.initialise(5);
  }
  Value convolve(const std::string& name, Value input, std::int64_t stride = 1) {
    const Conv2dOptions geometry{.kernel_h = 3, .kernel_w = 3, .stride_h = stride, .stride_w = stride, .pad_h = 1, .pad_w = 1};
    values.push_back(net.add("conv_" + name, Conv2d({.outputs = 16, .geometry = geometry}), {input}));
    values.push_back(net.add("relu_" + name, PRelu(), {values.back()}));
    return values.back();
  }
  Value add(const std::string& name, std::vector<Value> inputs) {
    values.push_back(net.add(name, Add(), std::move(inputs)));
    return values.back();
  }
  /// Those of all parameters, for samples (n,...) and their labels.
  std::map<std::string, Tensor> gradients(Plan& plan, const Tensor& samples, const Tensor& classes, Write write = Write::assign) {
    const std::int64_t count = samples.extent(0);
    plan.value(images).slice(0, count).copy_from(samples);
    plan.value(labels).slice(0, count).copy_from(classes);
    Device device = Cpu(1);
    plan.forward(device, {.samples = count});
    plan.backward(device, {.parameters = write});
    std::map<std::string, Tensor> gradients;
    plan.visit([&](const std::string& name, Parameter&, const Tensor& gradient) { gradients[name] = gradient.clone(); });
    return gradients;
  }
};

/// The gradients of two samples, and what the plan took.
std::map<std::string, Tensor> gradients_of_residuals(bool fused, std::size_t& bytes) {
  ResidualNet residual(6, 5);
  Plan plan(residual.net, {.batch = 2, .loss = residual.head.loss, .keep = fused ? std::vector<Value>{} : residual.values});
  bytes = plan.bytes();
  CHECK((plan.steps().size() < residual.values.size()) == fused);
  Tensor samples({2, 6, 5, 16}, DType::f64);
  fill_random(samples, 9);
  return residual.gradients(plan, samples, Tensor::of<std::int64_t>({2}, {2, 0}));
}

void check_equal(const std::map<std::string, Tensor>& expected, const std::map<std::string, Tensor>& got, double scale = 1) {
  for (const auto& [name, gradient] : expected) {
    INFO(name);
    const auto want = gradient.data<double>(), have = got.at(name).data<double>();
    double largest = 0;
    for (const double each : want) largest = std::max(largest, std::abs(each));
    REQUIRE(largest > 0);
    for (std::size_t i = 0; i < have.size(); ++i) REQUIRE(std::abs(have[i] - scale * want[i]) <= 1e-11 * scale * largest);
  }
}

}  // namespace

TEST_CASE("net: a residual of one convolution, and values read twice", "[net]") {
  std::size_t fused_bytes = 0, plain_bytes = 0;
  const auto fused = gradients_of_residuals(true, fused_bytes), plain = gradients_of_residuals(false, plain_bytes);
  CHECK(fused_bytes < plain_bytes);
  check_equal(plain, fused);
}

TEST_CASE("net: large samples go through in groups, and give what each gives alone", "[net]") {
  constexpr std::int64_t batch = 11, height = 96, width = 80;
  ResidualNet residual(height, width);
  Net& net = residual.net;
  Tensor samples({batch, height, width, 16}, DType::f64);
  fill_random(samples, 11);
  const Tensor classes = Tensor::of<std::int64_t>({batch}, {2, 0, 1, 1, 2, 0, 0, 2, 2, 1, 0});

  Plan single(net, {.batch = 1, .loss = residual.head.loss});
  std::map<std::string, Tensor> expected;
  for (std::int64_t n = 0; n < batch; ++n) {
    expected = residual.gradients(single, samples.slice(n, n + 1), classes.slice(n, n + 1), n == 0 ? Write::assign : Write::add);
  }

  Plan grouped(net, {.batch = batch, .loss = residual.head.loss});
  std::set<std::int64_t> groups;
  for (const PlanStep& step : grouped.steps()) groups.insert(step.samples);
  REQUIRE(groups.size() == 3);  // of two sizes, and all samples
  check_equal(expected, residual.gradients(grouped, samples, classes), 1.0 / batch);
  check_equal(expected, residual.gradients(grouped, samples, classes), 1.0 / batch);  // and again, over what the first step left behind
  Device device = Cpu(1);
  CHECK(grouped.first_non_finite(device).empty());

  // Inference: no value is kept, so that most have room for a group only.
  const Value last = residual.values.back();
  const auto features = [&](Plan& plan) {
    plan.value(residual.images).copy_from(samples.slice(0, plan.options().batch));
    plan.forward(device);
    return plan.value(last).clone();
  };
  Plan one(net, {.batch = 1, .keep = {last}, .keep_prepared = false}), all(net, {.batch = batch, .keep = {last}, .keep_prepared = false});
  CHECK(all.bytes() < batch * one.bytes());
  const Tensor alone = features(one), together = features(all);
  const auto a = alone.data<double>(), t = together.data<double>();
  for (std::size_t i = 0; i < a.size(); ++i) REQUIRE(std::abs(a[i] - t[i]) <= 1e-11);
  Plan kept(net, {.batch = batch, .keep = {last}});
  const Tensor prepared = features(kept);
  CHECK(std::ranges::equal(prepared.data<double>(), t));
}

TEST_CASE("net: a plan for many runs few, and a row's bits are those it has among many", "[net]") {
  constexpr std::int64_t batch = 11, height = 96, width = 80;
  ResidualNet residual(height, width);
  Net& net = residual.net;
  Tensor samples({batch, height, width, 16}, DType::f64);
  fill_random(samples, 11);
  Device device = Cpu(2);
  const Value last = residual.values.back();
  for (const bool keep_prepared : {false, true}) {
    Plan plan(net, {.batch = batch, .keep = {last}, .keep_prepared = keep_prepared});
    plan.value(residual.images).copy_from(samples);
    plan.forward(device);
    const Tensor whole = plan.value(last).clone();
    for (const std::int64_t few : {1, 3, 8, 10, 11}) {
      INFO(few << " of " << batch);
      plan.value(last).fill(-7);
      plan.forward(device, {.samples = few});
      const auto found = plan.value(last).slice(0, few).data<double>(), wanted = whole.slice(0, few).data<double>();
      CHECK(std::ranges::equal(found, wanted));
    }
  }

  // Training: the mean loss and the gradients are those of the samples that are there.
  const Tensor classes = Tensor::of<std::int64_t>({batch}, {2, 0, 1, 1, 2, 0, 0, 2, 2, 1, 0});
  Plan many(net, {.batch = batch, .loss = residual.head.loss});
  for (const std::int64_t few : {1, 5, 11}) {
    Plan exact(net, {.batch = few, .loss = residual.head.loss});
    const auto expected = residual.gradients(exact, samples.slice(0, few), classes.slice(0, few));
    check_equal(expected, residual.gradients(many, samples.slice(0, few), classes.slice(0, few)));
    CHECK(many.value(residual.head.loss).item() == Approx(exact.value(residual.head.loss).item()).epsilon(1e-12));
  }
}

TEST_CASE("net: plans of one net do not know of each other", "[net]") {
  ResidualNet residual(6, 5);
  Net& net = residual.net;
  const Value last = residual.values.back();
  Device device = Cpu(1);
  const auto fill = [&](Plan& plan, std::uint64_t seed) { fill_random(plan.value(residual.images), seed); };
  const std::vector<PlanOptions> wanted = {{.batch = 3, .loss = residual.head.loss, .keep = {last}},
                                           {.batch = 2, .keep = {last}},
                                           {.batch = 4, .keep = {last, residual.values.front()}, .keep_prepared = false}};
  // What each gives alone, one after the other.
  const auto run = [&](Plan& plan) {
    if (plan.trains()) plan.value(residual.labels).clear();
    plan.forward(device);
    std::vector<Tensor> results = {plan.value(last).clone()};
    if (plan.trains()) {
      plan.backward(device);
      results.push_back(plan.gradients().clone());
    }
    return results;
  };
  const auto same = [](const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
    return std::ranges::equal(a, b,
                              [](const Tensor& x, const Tensor& y) { return std::ranges::equal(x.data<double>(), y.data<double>()); });
  };
  std::vector<std::vector<Tensor>> alone;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    Plan plan(net, wanted[i]);
    fill(plan, i);
    alone.push_back(run(plan));
  }
  std::vector<Plan> plans;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    plans.emplace_back(net, wanted[i]);
    fill(plans.back(), i);
  }
  for (const std::size_t i : {0, 1, 2, 2, 0, 1, 0, 2}) {
    INFO("plan " << i);
    CHECK(same(run(plans[i]), alone[i]));
  }
  // Between the two passes of one, the others run.
  plans[0].forward(device);
  run(plans[1]);
  run(plans[2]);
  plans[0].backward(device);
  CHECK(std::ranges::equal(plans[0].gradients().data<double>(), alone[0][1].data<double>()));

  // A plan outlives its net, which cannot move meanwhile.
  Plan survivor = std::move(plans[1]);
  plans.clear();
  CHECK_THROWS_WITH(net.move_to(Memory::cuda),
                    "[net] the net cannot move to another memory while plans of it are alive; let go of them first.");
  { const Net gone = std::move(net); }
  CHECK(same(run(survivor), alone[1]));
}

TEST_CASE("net: what was prepared follows the parameters, whoever writes them", "[net]") {
  ResidualNet residual(6, 5), other(6, 5);
  Net& net = residual.net;
  const Value last = residual.values.back();
  Device device = Cpu(1, ConvolutionAlgorithm::tiles_2);
  Plan plan(net, {.batch = 1, .keep = {last}}), fresh(net, {.batch = 1, .keep = {last}, .keep_prepared = false});
  CHECK(plan.kernel_bytes(device) > fresh.kernel_bytes(device));
  fill_random(plan.value(residual.images), 3);
  fresh.value(residual.images).copy_from(plan.value(residual.images));
  double before = 0;
  const auto check_that_it_is_new = [&](const char* writer) {
    INFO(writer);
    plan.forward(device);
    fresh.forward(device);
    CHECK(std::ranges::equal(plan.value(last).data<double>(), fresh.value(last).data<double>()));
    const double now = plan.value(last).data<double>()[0];
    CHECK(now != before);
    before = now;
  };
  const auto draw = [](Net& drawn, std::uint64_t seed) {
    drawn.visit([seed](const std::string& name, Parameter& parameter) {
      if (name.ends_with(".weight")) fill_random(parameter.value, stream_of(name) + seed);
    });
  };
  check_that_it_is_new("nobody");
  draw(net, 1);
  check_that_it_is_new("a visitor");
  net.initialise(17);
  check_that_it_is_new("initialise");
  draw(other.net, 2);
  copy_parameters(other.net, net);
  check_that_it_is_new("a copy");

  Plan training(net, {.batch = 1, .loss = residual.head.loss});
  fill_random(training.value(residual.images), 4);
  training.value(residual.labels).clear();
  training.forward(device);
  training.backward(device);
  plan.forward(device);  // the run that trained has raised versions too: from here on it is the update alone
  training.visit([](const std::string&, Parameter& parameter, const Tensor& gradient) {
    for (std::size_t i = 0; i < gradient.data<double>().size(); ++i) parameter.value.data<double>()[i] -= gradient.data<double>()[i];
  });
  check_that_it_is_new("an update");

  // Nobody raised the version: nobody looks.
  Parameter* weights = nullptr;
  net.visit([&](const std::string& name, Parameter& parameter) { weights = name == "conv_a.weight" ? &parameter : weights; });
  plan.forward(device);
  fill_random(weights->value, 99);
  plan.forward(device);
  CHECK(plan.value(last).data<double>()[0] == before);
  training.parameters_changed();
  check_that_it_is_new("work that no plan saw");
  fill_random(weights->value, 100);
  ++weights->version;
  check_that_it_is_new("a caller that raises one version");
  // Another device wants them otherwise.
  Device direct = Cpu(1, ConvolutionAlgorithm::direct);
  plan.forward(direct);
  fresh.forward(direct);
  CHECK(std::ranges::equal(plan.value(last).data<double>(), fresh.value(last).data<double>()));
}

TEST_CASE("net: plans share what is prepared, where they read it in the same form", "[net]") {
  ResidualNet residual(6, 5);
  Device device = Cpu(1, ConvolutionAlgorithm::tiles_2);
  const Value last = residual.values.back();
  const PlanOptions options{.batch = 1, .keep = {last}};
  Plan one(residual.net, options), two(residual.net, options);
  one.forward(device);
  const HostMemory before = host_memory();
  two.forward(device);
  CHECK(host_memory().blocks == before.blocks);
  Plan wider(residual.net, {.batch = 1, .keep = {last}, .inputs = {{residual.images, {1, 9, 8, 16}}}});
  wider.forward(device);  // another size, but the same tiles
  two.forward(device);
  CHECK(Plan(residual.net, options).kernel_bytes(device) > 0);
}

TEST_CASE("net: inferences run in parallel, each on a device of its own", "[net]") {
  ResidualNet residual(12, 10);
  const Value last = residual.values.back();
  Tensor samples({4, 12, 10, 16}, DType::f64);
  fill_random(samples, 2);
  constexpr std::size_t threads = 4;
  std::vector<Tensor> found(threads);
  {
    std::vector<std::thread> workers;
    for (std::size_t i = 0; i < threads; ++i) {
      workers.emplace_back([&, i] {
        Device device = Cpu(1);
        Plan plan(residual.net, {.batch = 4, .keep = {last}});
        for (int round = 0; round < 5; ++round) {
          plan.value(residual.images).copy_from(samples);
          plan.forward(device);
        }
        found[i] = plan.value(last).clone();
      });
    }
    for (std::thread& worker : workers) worker.join();
  }
  for (const Tensor& each : found) CHECK(std::ranges::equal(each.data<double>(), found[0].data<double>()));

  // A run that trains waits for them, and they for it: each sees parameters of before or after an update, never of both.
  Plan training(residual.net, {.batch = 4, .loss = residual.head.loss});
  training.value(residual.images).copy_from(samples);
  training.value(residual.labels).clear();
  std::thread trainer([&] {
    Device device = Cpu(1);
    for (int round = 0; round < 5; ++round) {
      training.forward(device);
      training.backward(device);
      const auto alone = training.alone();
      training.visit([](const std::string&, Parameter& parameter, const Tensor& gradient) {
        for (std::size_t i = 0; i < gradient.data<double>().size(); ++i) {
          parameter.value.data<double>()[i] -= 0.01 * gradient.data<double>()[i];
        }
      });
    }
  });
  Device device = Cpu(1, ConvolutionAlgorithm::tiles_2);  // prepared or not, the same tiles
  Plan plan(residual.net, {.batch = 4, .keep = {last}});
  plan.value(residual.images).copy_from(samples);
  for (int round = 0; round < 10; ++round) plan.forward(device);
  trainer.join();
  plan.forward(device);
  Plan fresh(residual.net, {.batch = 4, .keep = {last}, .keep_prepared = false});
  fresh.value(residual.images).copy_from(samples);
  fresh.forward(device);
  CHECK(std::ranges::equal(plan.value(last).data<double>(), fresh.value(last).data<double>()));
}

TEST_CASE("net: a cache plans the sizes of a pyramid once, and lets the oldest go", "[net]") {
  Net net;
  const Value images = net.input("images", {1, 8, 8, 16});
  const Value scores =
      net.add("relu", PRelu(), {net.add("conv", Conv2d({.outputs = 16, .geometry = {.kernel_h = 3, .kernel_w = 3}}), {images})});
  net.initialise(1);
  Device device = Cpu(2);
  PlanCache plans(net, std::size_t{64} << 20);
  const auto photograph = [&] {
    for (std::int64_t size = 12; size < 12 + 9 * 5; size += 5) {
      const std::shared_ptr<Plan> plan = plans.of({.keep = {scores}, .inputs = {{images, {1, size, size + 3, 16}}}});
      fill_random(plan->value(images), static_cast<std::uint64_t>(size));
      plan->forward(device);
      CHECK(plan->value(scores).shape() == Shape{1, size - 2, size + 1, 16});
    }
  };
  photograph();
  CHECK(plans.made() == 9);
  const HostMemory before = host_memory();
  photograph();
  CHECK(plans.made() == 9);
  CHECK(host_memory().blocks == before.blocks);

  // With room for about three of the nine, what was used last stays.
  PlanCache small(net, plans.bytes() / 3);
  const auto of = [&](std::int64_t size) { return small.of({.keep = {scores}, .inputs = {{images, {1, size, size, 16}}}}); };
  const std::shared_ptr<Plan> held = of(40);
  for (const std::int64_t size : {20, 30, 40, 50}) of(size);
  CHECK(small.bytes() <= plans.bytes() / 3);
  const std::int64_t made = small.made();
  of(50);
  CHECK(small.made() == made);
  of(20);
  CHECK(small.made() == made + 1);
  held->forward(device);  // whoever holds one has it for good
  PlanCache none(net, 0);
  none.of({.keep = {scores}})->forward(device);
  CHECK(none.bytes() == 0);
}

TEST_CASE("net: a plan is measured without its memory being taken", "[net]") {
  ResidualNet residual(96, 80);
  Net& net = residual.net;
  Device device = Cpu(2);
  const Value last = residual.values.back();
  for (const std::int64_t batch : {1, 3, 11}) {
    const PlanOptions training{.batch = batch, .loss = residual.head.loss, .keep = {last}}, inference{.batch = batch, .keep = {last}};
    for (const PlanOptions& options : {training, inference}) {
      const PlanBytes measured = Plan::measure(net, device, options);
      const Plan plan(net, options);
      CHECK(measured.values == plan.bytes());
      CHECK(measured.kernels == plan.kernel_bytes(device));
    }
    CHECK(Plan::measure(net, device, inference).values < Plan::measure(net, device, training).values);
  }
  const std::int64_t absurd = std::int64_t{1} << 20;  // terabytes
  CHECK(Plan::measure(net, device, {.batch = absurd, .loss = residual.head.loss}).values > std::size_t{1} << 43);
  CHECK_THROWS_AS(Plan::measure(net, device, {.batch = 0, .loss = residual.head.loss}), UsageError);
}

TEST_CASE("net: gradients lie in the order in which they are done, and a hook sees them as they are", "[net]") {
  ResidualNet residual(96, 80);
  Plan plan(residual.net, {.batch = 11, .loss = residual.head.loss});
  fill_random(plan.value(residual.images), 11);
  plan.value(residual.labels).clear();
  Device device = Cpu(1);
  std::vector<double> seen(static_cast<std::size_t>(plan.gradients().count()));
  std::size_t done = 0;
  plan.on_gradients([&](std::size_t begin, std::size_t end) {
    CHECK(begin == done);
    done = end;
    const auto now = plan.gradients().data<double>();
    std::copy(now.begin() + static_cast<std::ptrdiff_t>(begin / 8), now.begin() + static_cast<std::ptrdiff_t>(end / 8),
              seen.begin() + static_cast<std::ptrdiff_t>(begin / 8));
  });
  plan.forward(device);
  plan.backward(device, {.last = false});
  CHECK(done == 0);
  plan.forward(device);
  plan.backward(device, {.parameters = Write::add});
  CHECK(done == plan.gradients().size_bytes());
  CHECK(std::ranges::equal(seen, plan.gradients().data<double>()));  // nothing was written after it was told
  std::size_t parts = 0;
  plan.visit([&](const std::string& name, Parameter& parameter, const Tensor& gradient) {
    INFO(name);
    CHECK(gradient.shape() == parameter.value.shape());
    CHECK(gradient.raw() >= plan.gradients().raw());
    CHECK(gradient.raw() + gradient.size_bytes() <= plan.gradients().raw() + plan.gradients().size_bytes());
    parts += gradient.size_bytes();
  });
  CHECK(parts <= plan.gradients().size_bytes());
  CHECK(plan.gradients().size_bytes() < parts + 64 * 64);
}

TEST_CASE("net: a tensor that says it is per sample must have the batch as its first extent", "[net]") {
  class Sum final : public Layer {
   public:
    std::string_view type() const override { return "sum"; }
    LayerPlan setup(std::span<const TensorSpec> inputs) const override { return {.outputs = {{Shape{1}, inputs[0].dtype}}, .saved = {}}; }
    void forward(const ForwardArgs&) const override {}
    void backward(const BackwardArgs&) const override {}
  };
  Net net;
  const Value data = net.input("data", {1, 3});
  const Value sum = net.add("total", Sum(), {data});
  CHECK_THROWS_WITH(Plan(net, {.batch = 2, .keep = {sum}}),
                    "layer 'total': [sum] setup answers an output (1) that is per sample, but a batch of 2 needs that as the first extent; "
                    "say so with per_sample = false.");
}
