// What plans prepare of parameters and keep: it is never out of date, made once for all plans, and
// safe where several run in parallel.
#include "catch.h"
#include "net/residual_net.h"

#include <algorithm>
#include <thread>
#include <vector>

using namespace amnet;

TEST_CASE("net: what was prepared follows the parameters, whoever writes them", "[net]") {
  ResidualNet residual(6, 5), other(6, 5);
  Net& net = residual.net;
  const Value last = residual.values.back();
  Device device = Cpu(1, ConvolutionAlgorithm::winograd_2);
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
  // the run that trained has raised versions too: from here on only the update does
  plan.forward(device);
  training.visit([](const std::string&, Parameter& parameter, const Tensor& gradient) {
    for (std::size_t i = 0; i < gradient.data<double>().size(); ++i) parameter.value.data<double>()[i] -= gradient.data<double>()[i];
  });
  check_that_it_is_new("an update");

  // The version was not raised: the change is not noticed.
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
  // Another device needs them in another form.
  Device direct = Cpu(1, ConvolutionAlgorithm::direct);
  plan.forward(direct);
  fresh.forward(direct);
  CHECK(std::ranges::equal(plan.value(last).data<double>(), fresh.value(last).data<double>()));
}

TEST_CASE("net: plans share what is prepared, where they read it in the same form", "[net]") {
  ResidualNet residual(6, 5);
  Device device = Cpu(1, ConvolutionAlgorithm::winograd_2);
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

  // A run that trains waits for them, and they wait for it: each sees the parameters from before or
  // after an update, never a mixture.
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
  Device device = Cpu(1, ConvolutionAlgorithm::winograd_2);  // the same tiles, prepared or not
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

TEST_CASE("net: a run that may write parameters says so, also where it fails", "[net]") {
  class Failing final : public Layer {
   public:
    std::string_view type() const override { return "failing"; }
    LayerPlan setup(std::span<const TensorSpec> inputs) const override { return {.outputs = {inputs[0]}, .saved = {}}; }
    void forward(const ForwardArgs&) const override { throw DeviceError("[failing] fails."); }
    void backward(const BackwardArgs&) const override {}
  };
  Net net;
  const Value data = net.input("data", {1, 4});
  const Value active = net.add("active", PRelu(), {data}), failed = net.add("failed", Failing(), {active});
  net.initialise(1);
  const auto version = [&net] {
    std::uint64_t found = 0;
    net.look([&found](const std::string&, const Parameter& parameter) { found = parameter.version; });
    return found;
  };
  Device device = Cpu(1);
  Plan good(net, {.keep = {active}}), bad(net, {.keep = {failed}});
  good.value(data).clear();
  bad.value(data).clear();
  std::uint64_t before = version();
  good.forward(device);
  CHECK(good.first_non_finite(device).empty());
  CHECK(version() == before);
  good.forward(device, {.phase = Phase::train});
  CHECK(version() > before);
  before = version();
  CHECK(good.first_non_finite(device, {.phase = Phase::train}).empty());
  CHECK(version() > before);
  before = version();
  CHECK_THROWS_AS(bad.forward(device, {.phase = Phase::train}), DeviceError);
  CHECK(version() > before);
}
