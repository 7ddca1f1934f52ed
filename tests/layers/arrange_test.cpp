// The layers that arrange and transform values, in nets: what they refuse, what a run of fewer
// samples does, where gradients end, and values that no input delivers.
#include <amnet/layers/broadcast.h>
#include <amnet/layers/combine.h>
#include <amnet/layers/concat.h>
#include <amnet/layers/fill.h>
#include <amnet/layers/parameter.h>
#include <amnet/layers/permute.h>
#include <amnet/layers/power.h>
#include <amnet/layers/reduce.h>
#include <amnet/layers/relu.h>
#include <amnet/layers/reshape.h>
#include <amnet/layers/slice.h>
#include <amnet/layers/softmax.h>
#include <amnet/layers/stop_gradient.h>
#include <amnet/net/plan.h>

#include <vector>

#include "catch.h"
#include "kernels/values.h"
#include "net/fill_random.h"

using namespace amnet;
using Catch::Contains;

namespace {

TensorSpec image(std::int64_t samples = 2) { return {{samples, 4, 6, 3}, DType::f32}; }

LayerPlan plan_of(const Layer& layer, const std::vector<TensorSpec>& inputs) { return layer.setup(inputs); }

Parameter& parameter_of(Net& net, const std::string& wanted) {
  Parameter* found = nullptr;
  net.visit([&](const std::string& name, Parameter& parameter) { found = name == wanted ? &parameter : found; });
  REQUIRE(found != nullptr);
  return *found;
}

}  // namespace

TEST_CASE("arrange: shapes, and what is per sample", "[layers]") {
  const TensorSpec weights{{2, 4, 6, 3}, DType::f32, false}, labels{{2}, DType::i64};
  const auto output = [](const Layer& layer, const std::vector<TensorSpec>& inputs, std::size_t which = 0) {
    return plan_of(layer, inputs).outputs.at(which);
  };
  const auto is = [](const TensorSpec& spec, const Shape& shape, bool per_sample, DType dtype = DType::f32) {
    INFO(spec.shape.str());
    CHECK(spec.shape == shape);
    CHECK(spec.per_sample == per_sample);
    CHECK(spec.dtype == dtype);
  };
  is(output(Permute({.order = {0, 3, 1, 2}}), {image()}), {2, 3, 4, 6}, true);
  is(output(Permute({.order = {3, 0, 1, 2}}), {image()}), {3, 2, 4, 6}, false);
  is(output(Permute({.order = {0, 3, 1, 2}}), {weights}), {2, 3, 4, 6}, false);
  is(output(Reshape({.extents = {0, -1, 3}}), {image()}), {2, 24, 3}, true);
  is(output(Reshape({.extents = {-1, 3}}), {image()}), {48, 3}, false);
  is(output(Reshape({.extents = {0, 1}}), {labels}), {2, 1}, true, DType::i64);
  is(output(Reshape({.extents = {2, 0, 18}}), {image()}), {2, 4, 18}, false);
  is(output(Concat({.axis = 3}), {image(), image()}), {2, 4, 6, 6}, true);
  is(output(Concat({.axis = 3}), {image(), weights}), {2, 4, 6, 6}, false);
  is(output(Concat({.axis = 0}), {image(), image(5)}), {7, 4, 6, 3}, false);
  is(output(Slice({.axis = 2, .points = {1, 4}}), {image()}, 1), {2, 4, 3, 3}, true);
  is(output(Slice({.axis = 2, .points = {1, 4}}), {image()}, 2), {2, 4, 2, 3}, true);
  is(output(Slice({.axis = 0, .parts = 2}), {labels}, 1), {1}, false, DType::i64);
  is(output(Reduce({.axis = 0}), {image()}), {1}, false);
  is(output(Reduce({.axis = 1}), {image()}), {2}, true);
  // of bf16 the sums are exact
  is(output(Reduce({.axis = 2}), {{{2, 3, 4}, DType::bf16}}), {2, 3}, true);
  is(output(Combine(), {image(), weights}), {2, 4, 6, 3}, false);
  is(output(StopGradient(), {labels}), {2}, true, DType::i64);
}

TEST_CASE("arrange: what a layer does not take is one sentence", "[layers]") {
  const auto refuses = [](const Layer& layer, const std::vector<TensorSpec>& inputs, const std::string& sentence) {
    CHECK_THROWS_WITH(plan_of(layer, inputs), sentence);
  };
  CHECK_THROWS_WITH(Permute({.order = {0, 2}}), "[permute] expected each of up to 4 axes once but got the order (0,2).");
  CHECK_THROWS_WITH(Permute({.order = {1, 1}}), "[permute] expected each of up to 4 axes once but got the order (1,1).");
  CHECK_THROWS_AS(Permute({.order = {}}), UsageError);
  CHECK_THROWS_AS(Permute({.order = {0, 1, 2, 3, 4}}), UsageError);
  refuses(Permute({.order = {1, 0}}), {image()}, "[permute] expected an input of 2 axes, as in the order, but got (2,4,6,3).");
  CHECK_THROWS_WITH(Reshape({.extents = {-1, -1}}), "[reshape] expected 1 to 4 extents >= -1, at most one of them -1, but got (-1,-1).");
  CHECK_THROWS_AS(Reshape({.extents = {-2}}), UsageError);
  refuses(Reshape({.extents = {0, 5, -1}}), {image()}, "[reshape] expected an input whose elements fill (2,5,-1) but got (2,4,6,3).");
  refuses(Reshape({.extents = {0, 5}}), {image()}, "[reshape] expected an input whose elements fill (2,5) but got (2,4,6,3).");
  refuses(Reshape({.extents = {-1, 1, 1, 0}}), {{{2, 3}, DType::f32}},
          "[reshape] expected an input with an extent 3 to keep but got (2,3).");
  refuses(Concat({.axis = 1}), {image(), {{2, 4, 5, 3}, DType::f32}},
          "[concat] expected inputs alike but along axis 1; input 0 is f32 (2,4,6,3) and input 1 is f32 (2,4,5,3).");
  refuses(Concat(), {}, "[concat] expected one or more inputs but got none.");
  refuses(Concat({.axis = 2}), {{{2, 3}, DType::f32}}, "[concat] expected an input with an axis 2 but got (2,3).");
  CHECK_THROWS_WITH(Concat({.axis = -1}), "[concat] expected an axis in [0, 4) but got -1.");
  CHECK_THROWS_WITH(Slice({.points = {3, 3}}), "[slice] expected points that rise from 1 on but got (3,3).");
  CHECK_THROWS_WITH(Slice({.points = {3}, .parts = 2}),
                    "[slice] expected points, or a number of parts >= 1, but got 1 points and 2 parts.");
  refuses(Slice({.axis = 1, .parts = 3}), {image()}, "[slice] expected an input whose axis 1 has 3 equal parts but got (2,4,6,3).");
  refuses(Slice({.axis = 1, .points = {4}}), {image()}, "[slice] expected points below the extent 4 of axis 1 but got 4.");
  refuses(Reduce({.axis = 2}), {{{2, 3}, DType::f32}}, "[reduce] expected an input with an axis 2 but got (2,3).");
  refuses(Combine({.coefficients = {1}}), {image(), image()}, "[combine] expected a coefficient for each of 2 inputs, or none, but got 1.");
  CHECK_THROWS_WITH(Combine({.operation = Combination::maximum, .coefficients = {1, 2}}),
                    "[combine] expected coefficients for a sum alone but got 2 for a maximum.");
  refuses(Combine(), {image(), image(3)},
          "[combine] expected inputs of one shape but input 0 is f32 (2,4,6,3) and input 1 is f32 (3,4,6,3).");
  CHECK_THROWS_AS(Relu({.negative_slope = std::numeric_limits<double>::infinity()}), UsageError);
  CHECK_THROWS_AS(Power({.shift = std::numeric_limits<double>::quiet_NaN()}), UsageError);
  CHECK_THROWS_WITH(Broadcast({.multiply = BroadcastFrom::input, .clamp_low = 0}),
                    "[broadcast] expected clamp_low and clamp_high for a factor that is a parameter; leave them out where it is none.");
  CHECK_THROWS_WITH(Broadcast({.clamp_low = 1, .clamp_high = 0}), "[broadcast] expected clamp_low <= clamp_high but got 1 and 0.");
  refuses(Broadcast({.axis = 3, .multiply = BroadcastFrom::input}), {image(), {{2}, DType::f32}},
          "[broadcast] expected a factor or term f32 (3) for an input (2,4,6,3) but got f32 (2).");
}

TEST_CASE("arrange: where the batch is no longer the first extent, a run of fewer samples is refused", "[layers]") {
  const auto check = [](auto layer, std::size_t inputs, const std::string& sentence) {
    Net net;
    const Value x = net.input("x", {4, 6});
    const Value y = net.add("it", std::move(layer), std::vector<Value>(inputs, x));
    Plan plan(net, {.batch = 4, .keep = {y}});
    plan.value(x).fill(1);
    Device device = Cpu(1);
    plan.forward(device);
    INFO(sentence);
    CHECK_THROWS_WITH(plan.forward(device, {.samples = 3}), Contains(sentence));
  };
  check(Concat({.axis = 0}), 2, "[concat] expected all samples, to make (8,6), but got 36 elements of 48; plan for so many samples.");
  check(Slice({.axis = 0, .parts = 2}), 1, "[slice] expected all 4 samples that were planned but got 3");
  check(Permute({.order = {1, 0}}), 1, "[permute] expected all samples, to make (6,4), but got (3,6)");
  check(Reshape({.extents = {-1, 3}}), 1, "[reshape] expected all samples, to make (8,3), but got (3,6)");
}

TEST_CASE("arrange: along other axes fewer samples run", "[layers]") {
  Net net;
  const Value x = net.input("x", {1, 2, 4});
  const Value first = net.add("slice", Slice({.axis = 2, .points = {1}}), {x});
  const Value joined = net.add("concat", Concat({.axis = 2}), {net.output(first, 1), first});
  const Value turned = net.add("permute", Permute({.order = {0, 2, 1}}), {joined});
  const Value rows = net.add("reshape", Reshape({.extents = {0, -1}}), {turned});
  const Value sums = net.add("reduce", Reduce({.axis = 1}), {rows});
  Plan plan(net, {.batch = 3, .keep = {rows, sums}});
  const Tensor values = Tensor::of<float>({2, 2, 4}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
  plan.value(x).slice(0, 2).copy_from(values);
  Device device = Cpu(1);
  plan.forward(device, {.samples = 2});
  CHECK(values_of<float>(plan.value(rows).slice(0, 2)) == std::vector<float>{1, 5, 2, 6, 3, 7, 0, 4, 9, 13, 10, 14, 11, 15, 8, 12});
  CHECK(values_of<float>(plan.value(sums).slice(0, 2)) == std::vector<float>{28, 92});
}

TEST_CASE("arrange: labels are permuted, joined and cut too, beside a loss", "[layers]") {
  Net net;
  const Value x = net.input("x", {2, 2}), labels = net.input("labels", {2}, DType::i64);
  const Value scaled = net.add("scale", Broadcast({.axis = 1}), {x});
  const Value both = net.add("both", Concat({.axis = 0}), {labels, labels});
  const Value part = net.add("part", Slice({.axis = 0, .points = {3}}), {both});
  const Value column = net.add("column", Reshape({.extents = {-1, 1}}), {part});
  const Value row = net.add("row", Permute({.order = {1, 0}}), {column});
  const Value loss = net.add("loss", Reduce(), {scaled});
  net.initialise(1);
  Plan plan(net, {.batch = 2, .loss = loss, .keep = {row, net.output(part, 1)}});
  plan.value(x).fill(3);
  plan.value(labels).copy_from(Tensor::of<std::int64_t>({2}, {7, 8}));
  Device device = Cpu(1);
  plan.forward(device);
  plan.backward(device);
  CHECK(plan.value(row).shape() == Shape{1, 3});
  CHECK(values_of<std::int64_t>(plan.value(row)) == std::vector<std::int64_t>{7, 8, 7});
  CHECK(values_of<std::int64_t>(plan.value(net.output(part, 1))) == std::vector<std::int64_t>{8});
  CHECK(values_of<float>(plan.gradient(parameter_of(net, "scale.scale"))) == std::vector<float>{6, 6});
}

TEST_CASE("stop_gradient: what lies before it gets no gradient through it", "[layers]") {
  // loss = the sum of p stop(q), so that dp = q and q has none; and of p stop(p), where only one of
  // the two ways to p is a way for gradients.
  for (const bool same : {false, true}) {
    Net net;
    const Value p = net.add("p", ParameterLayer({.extents = {3}, .value = {.filler = Filler::gaussian(1)}}), {});
    const Value q = same ? p : net.add("q", ParameterLayer({.extents = {3}, .value = {.filler = Filler::gaussian(1)}}), {});
    const Value fixed = net.add("fixed", StopGradient(), {q});
    const Value behind = net.add("behind", Power({.scale = 2}), {fixed});
    const Value product = net.add("product", Combine({.operation = Combination::product}), {p, behind});
    const Value loss = net.add("loss", Reduce(), {product});
    net.initialise(4);
    Plan plan(net, {.batch = 1, .loss = loss, .keep = {fixed}});
    Device device = Cpu(1);
    plan.forward(device);
    plan.backward(device);
    const std::vector<float> values = values_of<float>(parameter_of(net, same ? "p.value" : "q.value").value);
    CHECK(values_of<float>(plan.value(fixed)) == values);
    std::vector<float> wanted;
    for (const float value : values) wanted.push_back(2 * value);
    CHECK(values_of<float>(plan.gradient(parameter_of(net, "p.value"))) == wanted);
    if (!same) CHECK(values_of<float>(plan.gradient(parameter_of(net, "q.value"))) == std::vector<float>(3));
  }
}

TEST_CASE("parameter: a value of the net's dtype that other layers read and training changes", "[layers]") {
  for (const DType dtype : {DType::f32, DType::f64}) {
    Net net(dtype);
    const Value x = net.input("x", {1, 2, 3});
    const Value factor = net.add("factor", ParameterLayer({.extents = {2}, .value = {.filler = Filler::constant(3)}}), {});
    CHECK(net.spec(factor).dtype == dtype);
    const Value scaled = net.add("scaled", Broadcast({.axis = 1, .multiply = BroadcastFrom::input}), {x, factor});
    const Value loss = net.add("loss", Reduce(), {scaled});
    net.initialise(1);
    Plan plan(net, {.batch = 4, .loss = loss});
    plan.value(x).fill(2);
    Device device = Cpu(1);
    for (const std::int64_t samples : {4, 1}) {
      plan.forward(device, {.samples = samples});
      plan.backward(device);
      CHECK(plan.value(loss).item() == 36 * static_cast<double>(samples));
      const Tensor gradient = plan.gradient(parameter_of(net, "factor.value")).cast(DType::f64);
      CHECK(values_of<double>(gradient) == std::vector<double>(2, 6 * static_cast<double>(samples)));
    }
  }
}

TEST_CASE("slice: a part that no loss depends on has the gradient 0", "[layers]") {
  Net net;
  const Value x = net.add("x", ParameterLayer({.extents = {2, 4}}), {});
  const Value first = net.add("parts", Slice({.axis = 1, .points = {1, 3}}), {x});
  const Value loss = net.add("loss", Reduce({.coefficient = 5}), {net.output(first, 1)});
  net.initialise(1);
  Plan plan(net, {.batch = 1, .loss = loss, .keep = {first}});
  Device device = Cpu(1);
  plan.forward(device);
  plan.backward(device);
  CHECK(values_of<float>(plan.gradient(parameter_of(net, "x.value"))) == std::vector<float>{0, 5, 5, 0, 0, 5, 5, 0});
}

TEST_CASE("fill: constants stay, and draws are a function of seed, stream and step", "[layers]") {
  const auto run = [](const FillOptions& options, const Step& step, bool* repeats = nullptr) {
    Net net;
    const Value y = net.add("fill", Fill(options), {});
    Plan plan(net, {.batch = 7, .keep = {y}});
    Device device = Cpu(1);
    plan.forward(device, {.step = step});
    if (repeats != nullptr) *repeats = plan.repeats();
    return plan.value(y).clone();
  };
  bool repeats = false;
  CHECK(values_of<float>(run({.extents = {2, 2}, .filler = Filler::constant(0.5)}, {.number = 3}, &repeats)) ==
        std::vector<float>(4, 0.5F));
  CHECK(repeats);
  CHECK(values_of<std::int64_t>(run({.extents = {3}, .filler = Filler::constant(2.75), .integers = true}, {})) ==
        std::vector<std::int64_t>(3, 2));
  const FillOptions drawn{.extents = {3, 4}, .filler = {.kind = Filler::Kind::uniform, .low = 5, .high = 6}, .stream = "a"};
  const std::vector<float> values = values_of<float>(run(drawn, {.number = 3, .seed = 9}, &repeats));
  CHECK_FALSE(repeats);
  for (const float value : values) CHECK((value >= 5 && value < 6));
  CHECK(values_of<float>(run(drawn, {.number = 3, .seed = 9})) == values);
  CHECK(values_of<float>(run(drawn, {.number = 4, .seed = 9})) != values);
  CHECK(values_of<float>(run(drawn, {.number = 3, .seed = 8})) != values);
  FillOptions other = drawn;
  other.stream = "b";
  CHECK(values_of<float>(run(other, {.number = 3, .seed = 9})) != values);
}

TEST_CASE("broadcast: training moves the stored factor within its limits, inference only computes with them", "[layers]") {
  Net net;
  const Value x = net.input("x", {1, 3});
  const Value y = net.add("scale", Broadcast({.axis = 1, .clamp_low = -0.2, .clamp_high = 0.3}), {x});
  const Value loss = net.add("loss", Reduce(), {y});
  const Tensor stored = Tensor::of<float>({3}, {-1, 0.25, 1});
  Parameter& scale = parameter_of(net, "scale.scale");
  scale.value.copy_from(stored);
  Device device = Cpu(1);
  Plan inference(net, {.batch = 1, .keep = {y}}), training(net, {.batch = 1, .loss = loss, .keep = {y}});
  for (Plan* plan : {&inference, &training}) {
    plan->value(x).copy_from(Tensor::of<float>({1, 3}, {10, 20, 30}));
    plan->forward(device);
    CHECK(values_of<float>(plan->value(y)) == std::vector<float>{10 * -0.2F, 5, 30 * 0.3F});
    CHECK(values_of<float>(scale.value) == (plan == &inference ? std::vector<float>{-1, 0.25, 1} : std::vector<float>{-0.2F, 0.25, 0.3F}));
  }
  training.backward(device);
  CHECK(values_of<float>(training.gradient(scale)) == std::vector<float>{10, 20, 30});
}

TEST_CASE("reduce: over the batch, fewer samples are fewer terms", "[layers]") {
  Net net;
  const Value x = net.input("x", {1, 2});
  const Value mean = net.add("mean", Reduce({.operation = Reduction::mean}), {x});
  Plan plan(net, {.batch = 3, .keep = {mean}});
  plan.value(x).copy_from(Tensor::of<float>({3, 2}, {1, 3, 5, 7, 100, 100}));
  Device device = Cpu(1);
  plan.forward(device, {.samples = 2});
  CHECK(plan.value(mean).item() == 4);
}
