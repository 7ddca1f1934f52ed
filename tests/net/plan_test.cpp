// What a plan must not change: gradients and features, no matter what is fused, run in groups or
// for fewer samples, or which other plans of the net exist.
#include "catch.h"
#include "net/residual_net.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <set>
#include <utility>
#include <vector>

using namespace amnet;

namespace {

/// The gradients of two samples, and the memory that the plan took.
std::map<std::string, Tensor> gradients_of_residuals(bool fused, std::size_t& bytes) {
  ResidualNet residual(6, 5);
  Plan plan(residual.net, {.batch = 2, .loss = residual.head.loss, .keep = fused ? std::vector<Value>{} : residual.values});
  bytes = plan.bytes();
  CHECK((plan.operations().size() < residual.values.size()) == fused);
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
  constexpr std::int64_t batch = LargeSamples::count;
  const LargeSamples large;
  const Tensor &samples = large.images, &classes = large.classes;
  ResidualNet residual(LargeSamples::height, LargeSamples::width);
  Net& net = residual.net;

  Plan single(net, {.batch = 1, .loss = residual.head.loss});
  std::map<std::string, Tensor> expected;
  for (std::int64_t n = 0; n < batch; ++n) {
    expected = residual.gradients(single, samples.slice(n, n + 1), classes.slice(n, n + 1), n == 0 ? Write::assign : Write::add);
  }

  Plan grouped(net, {.batch = batch, .loss = residual.head.loss});
  std::set<std::int64_t> groups;
  for (const PlanOperation& operation : grouped.operations()) groups.insert(operation.samples);
  REQUIRE(groups.size() == 3);  // of two sizes, and all samples
  check_equal(expected, residual.gradients(grouped, samples, classes), 1.0 / batch);
  // and again, with the memory that the first step has written
  check_equal(expected, residual.gradients(grouped, samples, classes), 1.0 / batch);
  Device device = Cpu(1);
  CHECK(grouped.first_non_finite(device).empty());

  // Inference: no values are kept, so that most tensors have memory for only one group.
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
  constexpr std::int64_t batch = LargeSamples::count;
  const LargeSamples large;
  const Tensor &samples = large.images, &classes = large.classes;
  ResidualNet residual(LargeSamples::height, LargeSamples::width);
  Net& net = residual.net;
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

  // Training: the mean loss and the gradients are those of the samples that are present.
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
  // The results of each one alone, one after the other.
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
  for (const std::size_t i : {0U, 1U, 2U, 2U, 0U, 1U, 0U, 2U}) {
    INFO("plan " << i);
    CHECK(same(run(plans[i]), alone[i]));
  }
  // Between the two passes of one, the others run.
  plans[0].forward(device);
  run(plans[1]);
  run(plans[2]);
  plans[0].backward(device);
  CHECK(std::ranges::equal(plans[0].gradients().data<double>(), alone[0][1].data<double>()));

  // A plan outlives its net, which cannot move while the plan exists.
  Plan survivor = std::move(plans[1]);
  plans.clear();
  CHECK_THROWS_WITH(net.move_to(Memory::cuda),
                    "[net] the net cannot move to another memory while plans of it are alive; let go of them first.");
  { const Net gone = std::move(net); }
  CHECK(same(run(survivor), alone[1]));
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
  // no gradient was written after its report
  CHECK(std::ranges::equal(seen, plan.gradients().data<double>()));
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
