#include "catch.h"

#include <amnet/core/random.h>
#include <amnet/kernels/bias.h>
#include <amnet/kernels/conv2d.h>
#include <amnet/layers/conv2d.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

using namespace amnet;

namespace {

struct Case {
  std::int64_t n, h, w, c, o;
  Conv2dGeometry geometry;

  Shape x() const { return {n, h, w, c}; }
  Shape weights() const { return geometry.weight_shape(c, o); }
  Shape y() const { return geometry.output_shape(x(), o); }
  std::string str() const {
    return fmt::format("x {} w {} stride {} pad {} groups {} dilation {}", x(), weights(), geometry.stride, geometry.pad, geometry.groups,
                       geometry.dilation);
  }
};

/// Integers in [-4, 4]: products and sums of them are exact in float, in any order.
template <class T>
Tensor integers(const Shape& shape, std::uint64_t seed) {
  const Random random(seed);
  std::vector<T> values(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(random.below(i, 9)) - T{4};
  return Tensor::of(shape, std::span<const T>(values));
}

Tensor normals(const Shape& shape, std::uint64_t seed) {
  const Random random(seed);
  std::vector<double> values(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = random.normal(i);
  // Rounded to float, so that both precisions compute on the same numbers.
  return Tensor::of(shape, std::span<const double>(values)).cast(DType::f32).cast(DType::f64);
}

/// Calls body(x index, w index, y index) for every product of the definition in kernels/conv2d.h.
template <class Body>
void for_each_product(const Case& test, Body&& body) {
  const Conv2dGeometry& g = test.geometry;
  const Shape y = test.y();
  const std::int64_t inputs = test.c / g.groups, outputs = test.o / g.groups;
  for (std::int64_t n = 0; n < test.n; ++n) {
    for (std::int64_t i = 0; i < y[1]; ++i) {
      for (std::int64_t j = 0; j < y[2]; ++j) {
        for (std::int64_t o = 0; o < test.o; ++o) {
          for (std::int64_t a = 0; a < g.kernel.height; ++a) {
            for (std::int64_t b = 0; b < g.kernel.width; ++b) {
              const std::int64_t row = i * g.stride.height + a * g.dilation.height - g.pad.height;
              const std::int64_t column = j * g.stride.width + b * g.dilation.width - g.pad.width;
              if (row < 0 || row >= test.h || column < 0 || column >= test.w) continue;
              for (std::int64_t c = 0; c < inputs; ++c) {
                body(static_cast<std::size_t>(((n * test.h + row) * test.w + column) * test.c + o / outputs * inputs + c),
                     static_cast<std::size_t>(((o * g.kernel.height + a) * g.kernel.width + b) * inputs + c),
                     static_cast<std::size_t>(((n * y[1] + i) * y[2] + j) * test.o + o));
              }
            }
          }
        }
      }
    }
  }
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && std::memcmp(a.raw(), b.raw(), a.size_bytes()) == 0;
}

/// Equal element by element: a zero may have either sign.
template <class T>
bool equal(const Tensor& a, const Tensor& b) {
  const auto left = a.data<T>(), right = b.data<T>();
  return std::equal(left.begin(), left.end(), right.begin(), right.end());
}

/// The definition, as plain loops.
template <class T>
struct Reference {
  Tensor x, w, bias, dy, y, dx, dw, dbias;

  explicit Reference(const Case& test)
      : x(integers<T>(test.x(), 1)),
        w(integers<T>(test.weights(), 2)),
        bias(integers<T>({test.o}, 3)),
        dy(integers<T>(test.y(), 4)),
        y(Tensor::zeros(test.y(), dtype_of<T>())),
        dx(Tensor::zeros(test.x(), dtype_of<T>())),
        dw(Tensor::zeros(test.weights(), dtype_of<T>())),
        dbias(Tensor::zeros({test.o}, dtype_of<T>())) {
    const auto xs = x.data<T>(), ws = w.data<T>(), dys = dy.data<T>(), ys = y.data<T>(), dxs = dx.data<T>(), dws = dw.data<T>();
    for_each_product(test, [&](std::size_t ix, std::size_t iw, std::size_t iy) {
      ys[iy] += xs[ix] * ws[iw];
      dxs[ix] += dys[iy] * ws[iw];
      dws[iw] += dys[iy] * xs[ix];
    });
    for (std::size_t i = 0; i < dys.size(); ++i) dbias.data<T>()[i % static_cast<std::size_t>(test.o)] += dys[i];
  }
};

template <class T>
Tensor plus(const Tensor& a, const Tensor& b) {
  Tensor sum = a.clone();
  for (std::size_t i = 0; i < sum.data<T>().size(); ++i) sum.data<T>()[i] += b.data<T>()[i];
  return sum;
}

template <class T>
void compare_with_reference(Cpu& cpu, const Case& test) {
  INFO(test.str() << " " << name_of(dtype_of<T>()));
  const Reference<T> expected(test);
  const double nan = std::numeric_limits<double>::quiet_NaN();

  Tensor y(test.y(), dtype_of<T>());
  y.fill(nan);
  conv2d_forward(cpu, test.geometry, expected.x, expected.w, {}, y);
  CHECK(equal<T>(y, expected.y));

  Tensor biased = expected.y.clone();
  for (std::size_t i = 0; i < biased.data<T>().size(); ++i)
    biased.data<T>()[i] += expected.bias.template data<T>()[i % static_cast<std::size_t>(test.o)];
  y.fill(nan);
  conv2d_forward(cpu, test.geometry, expected.x, expected.w, {.bias = expected.bias}, y);
  CHECK(equal<T>(y, biased));

  Tensor dx(test.x(), dtype_of<T>()), dw(test.weights(), dtype_of<T>()), dbias({test.o}, dtype_of<T>());
  dx.fill(nan);
  dw.fill(nan);
  dbias.fill(nan);
  conv2d_backward(cpu, test.geometry, expected.x, expected.w, {}, expected.dy,
                  {.dx = {dx, Write::assign}, .dw = {dw, Write::assign}, .dbias = {dbias, Write::assign}});
  CHECK(equal<T>(dx, expected.dx));
  CHECK(equal<T>(dw, expected.dw));
  CHECK(equal<T>(dbias, expected.dbias));

  const Tensor dx_before = integers<T>(test.x(), 5), dw_before = integers<T>(test.weights(), 6);
  dx.copy_from(dx_before);
  dw.copy_from(dw_before);
  dbias.copy_from(expected.bias);
  conv2d_backward(cpu, test.geometry, expected.x, expected.w, {}, expected.dy,
                  {.dx = {dx, Write::add}, .dw = {dw, Write::add}, .dbias = {dbias, Write::add}});
  CHECK(equal<T>(dbias, plus<T>(expected.dbias, expected.bias)));
  CHECK(equal<T>(dx, plus<T>(expected.dx, dx_before)));
  CHECK(equal<T>(dw, plus<T>(expected.dw, dw_before)));
}

/// Shapes in which every extent is odd somewhere: drawn at random, so that unexpected combinations
/// occur. With a dilation of up to `dilation`.
std::vector<Case> drawn_cases(std::size_t count, std::int64_t dilation = 1) {
  std::vector<Case> cases;
  for (std::uint64_t draw = 0; cases.size() < count; ++draw) {
    const Random random(2024, draw);
    const auto pick = [&](std::uint64_t index, std::int64_t low, std::int64_t high) {
      return low + static_cast<std::int64_t>(random.below(index, static_cast<std::uint64_t>(high - low + 1)));
    };
    Case test{.n = pick(0, 1, 3), .h = pick(1, 1, 13), .w = pick(2, 1, 13), .c = 1, .o = 1, .geometry = {}};
    Conv2dGeometry& g = test.geometry;
    g = {.kernel = {pick(3, 1, 5), pick(4, 1, 5)},
         .stride = {pick(5, 1, 3), pick(6, 1, 3)},
         .pad = {pick(7, 0, 3), pick(8, 0, 3)},
         .groups = pick(9, 0, 2) == 0 ? pick(10, 2, 5) : 1,
         .dilation = {pick(15, 1, dilation), pick(16, 1, dilation)}};
    test.c = g.groups * pick(11, 1, g.groups > 1 ? 3 : 9);
    test.o = g.groups * (pick(12, 0, 3) == 0 ? pick(13, 17, 40) : pick(14, 1, 9));
    if (Conv2dGeometry::output_extent(test.h, g.kernel.height, g.stride.height, g.pad.height, g.dilation.height) >= 1 &&
        Conv2dGeometry::output_extent(test.w, g.kernel.width, g.stride.width, g.pad.width, g.dilation.width) >= 1) {
      cases.push_back(test);
    }
  }
  return cases;
}

constexpr Conv2dGeometry three_by_three(std::int64_t stride, std::int64_t groups = 1) {
  return {.kernel = 3, .stride = stride, .pad = 1, .groups = groups};
}

/// Cases that drawn shapes rarely reach: several tiles, blocks of channels and parts, full vectors,
/// depthwise, large kernels.
std::vector<Case> chosen_cases() {
  return {
      {2, 28, 24, 16, 32, three_by_three(1)},
      {2, 28, 24, 16, 32, three_by_three(2)},
      {1, 14, 12, 64, 64, three_by_three(1)},
      {7, 7, 6, 70, 48, three_by_three(1)},
      {5, 7, 6, 48, 140, three_by_three(1)},
      {1, 56, 48, 3, 16, three_by_three(2)},
      {1, 1, 600, 5, 7, {}},
      {1, 3, 520, 2, 4, three_by_three(2)},
      {300, 1, 1, 8, 33, {}},
      {1, 1, 67, 700, 300, {}},
      {3, 9, 8, 24, 24, three_by_three(1, 24)},
      {3, 9, 8, 24, 48, three_by_three(2, 24)},
      {1, 4, 3, 6, 5, {.kernel = {7, 6}, .pad = {3, 2}}},
      {2, 3, 3, 4, 5, {.kernel = 9, .stride = {2, 3}, .pad = {5, 4}}},
      {2, 20, 17, 33, 20, {.kernel = {7, 5}, .stride = {2, 1}, .pad = {3, 0}}},
      {2, 12, 11, 10, 6, {.kernel = 1, .stride = {3, 2}}},
      {2, 9, 9, 3, 3, {.kernel = 2, .stride = 3, .pad = 2}},
      {1, 40, 40, 1, 1, {.kernel = 11, .stride = 4, .pad = 5}},
  };
}

double relative_distance(const Tensor& values, const Tensor& reference) {
  const auto a = values.data<float>();
  const auto b = reference.data<double>();
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    norm += b[i] * b[i];
  }
  return std::sqrt(difference / norm);
}

/// The convolutions of the 20-layer network (docs/roofline.md), by stage: the strided one and
/// one of the others.
std::vector<Case> network_cases(std::int64_t batch) {
  return {{batch, 112, 96, 3, 64, three_by_three(2)},   {batch, 56, 48, 64, 64, three_by_three(1)},
          {batch, 56, 48, 64, 128, three_by_three(2)},  {batch, 28, 24, 128, 128, three_by_three(1)},
          {batch, 28, 24, 128, 256, three_by_three(2)}, {batch, 14, 12, 256, 256, three_by_three(1)},
          {batch, 14, 12, 256, 512, three_by_three(2)}, {batch, 7, 6, 512, 512, three_by_three(1)}};
}

struct Results {
  Tensor y, dx, dw, dbias;
};

Results run(Cpu& cpu, const Case& test, DType dtype) {
  const Tensor x = normals(test.x(), 1).cast(dtype), w = normals(test.weights(), 2).cast(dtype), bias = normals({test.o}, 3).cast(dtype),
               dy = normals(test.y(), 4).cast(dtype);
  Results results{.y = {test.y(), dtype}, .dx = {test.x(), dtype}, .dw = {test.weights(), dtype}, .dbias = {{test.o}, dtype}};
  conv2d_forward(cpu, test.geometry, x, w, {.bias = bias}, results.y);
  conv2d_backward(cpu, test.geometry, x, w, {}, dy,
                  {.dx = {results.dx, Write::assign}, .dw = {results.dw, Write::assign}, .dbias = {results.dbias, Write::assign}});
  return results;
}

}  // namespace

TEST_CASE("conv2d: equals a plain loop bit for bit on integers", "[conv2d]") {
  Cpu cpu(2, ConvolutionAlgorithm::direct);
  for (const Case& test : drawn_cases(220)) {
    compare_with_reference<float>(cpu, test);
    compare_with_reference<double>(cpu, test);
  }
  for (const Case& test : chosen_cases()) {
    compare_with_reference<float>(cpu, test);
    compare_with_reference<double>(cpu, test);
  }
}

TEST_CASE("conv2d: with a dilation equals a plain loop bit for bit on integers", "[conv2d]") {
  Cpu cpu(2);
  std::vector<Case> cases = drawn_cases(120, 4);
  // tiles would fit without the dilation; the last has a kernel of one pixel
  cases.push_back({2, 12, 10, 16, 16, {.kernel = 3, .pad = 2, .dilation = 2}});
  cases.push_back({2, 12, 10, 16, 16, {.kernel = 3, .pad = 1, .dilation = {1, 3}}});
  cases.push_back({2, 5, 4, 3, 2, {.kernel = 1, .dilation = 7}});
  for (const Case& test : cases) {
    compare_with_reference<float>(cpu, test);
    compare_with_reference<double>(cpu, test);
  }
  CHECK((Conv2dGeometry{.kernel = 3, .dilation = {2, 1}}.output_shape({1, 5, 5, 4}, 6)) == Shape{1, 1, 3, 6});
  CHECK_THROWS_AS((Conv2dGeometry{.kernel = 3, .dilation = 3}.output_shape({1, 5, 5, 4}, 6)), UsageError);
  CHECK_THROWS_WITH((Conv2dGeometry{.kernel = 3, .dilation = 0}.output_shape({1, 5, 5, 4}, 6)),
                    "[conv2d] expected a dilation >= 1 but got 0x0.");
}

TEST_CASE("conv2d: a dilated convolution does what follows the sums once", "[conv2d]") {
  Cpu cpu(2);
  const Case test{2, 7, 6, 4, 5, {.kernel = 3, .pad = 2, .dilation = 2}};
  const Reference<float> data(test);
  const Tensor slope = integers<float>({test.o}, 7), residual = integers<float>(test.y(), 8);
  const Tensor y(test.y(), DType::f32), sums(test.y(), DType::f32);
  conv2d_forward(cpu, test.geometry, data.x, data.w, {.bias = data.bias, .slope = slope, .residual = residual, .sums = sums}, y);
  for (std::size_t i = 0; i < y.data<float>().size(); ++i) {
    const std::size_t o = i % static_cast<std::size_t>(test.o);
    const float sum = data.y.data<float>()[i] + data.bias.data<float>()[o];
    REQUIRE(sums.data<float>()[i] == sum);
    REQUIRE(y.data<float>()[i] == residual.data<float>()[i] + (sum > 0 ? sum : slope.data<float>()[o] * sum));
  }
}

TEST_CASE("conv2d: float agrees with double on the network's shapes", "[conv2d]") {
  Cpu cpu(2);
  for (const Case& test : network_cases(1)) {
    INFO(test.str());
    const Results single = run(cpu, test, DType::f32), twice = run(cpu, test, DType::f64);
    CHECK(relative_distance(single.y, twice.y) < 2e-5);
    CHECK(relative_distance(single.dx, twice.dx) < 2e-5);
    CHECK(relative_distance(single.dw, twice.dw) < 2e-5);
    CHECK(relative_distance(single.dbias, twice.dbias) < 1e-5);
  }
}

TEST_CASE("conv2d: the same bits with 1, 2 and 4 threads", "[conv2d]") {
  Cpu one(1), two(2), four(4);
  std::vector<Case> cases = chosen_cases();
  cases.push_back({8, 28, 24, 32, 32, three_by_three(1)});
  cases.push_back({3, 28, 24, 20, 32, {.kernel = 3, .pad = 2, .dilation = 2}});
  for (const Case& test : cases) {
    INFO(test.str());
    const Results expected = run(one, test, DType::f32);
    for (Cpu* cpu : {&two, &four}) {
      const Results results = run(*cpu, test, DType::f32);
      CHECK(same_bits(results.y, expected.y));
      CHECK(same_bits(results.dx, expected.dx));
      CHECK(same_bits(results.dw, expected.dw));
      CHECK(same_bits(results.dbias, expected.dbias));
    }
  }
}

TEST_CASE("conv2d: a gradient nobody wants is not touched", "[conv2d]") {
  Cpu cpu(1);
  const Case test{1, 5, 5, 2, 3, three_by_three(1)};
  const Reference<float> data(test);
  CHECK_NOTHROW(conv2d_backward(cpu, test.geometry, data.x, data.w, {}, data.dy, {}));
  CHECK_NOTHROW(bias_backward(cpu, data.dy, {}));
}

TEST_CASE("conv2d: an empty batch has no outputs and a weight gradient of zero", "[conv2d]") {
  Cpu cpu(2);
  const Case test{0, 5, 5, 2, 3, three_by_three(1)};
  const Tensor x(test.x(), DType::f32), y(test.y(), DType::f32);
  Tensor dw(test.weights(), DType::f32);
  dw.fill(7);
  conv2d_forward(cpu, test.geometry, x, Tensor::zeros(test.weights(), DType::f32), {}, y);
  conv2d_backward(cpu, test.geometry, x, {}, {}, y, {.dw = {dw, Write::add}});
  CHECK(dw.data<float>()[0] == 7);
  conv2d_backward(cpu, test.geometry, x, {}, {}, y, {.dw = {dw, Write::assign}});
  CHECK(equal<float>(dw, Tensor::zeros(test.weights(), DType::f32)));
}

TEST_CASE("conv2d: shapes that do not belong together are refused", "[conv2d]") {
  Cpu cpu(1);
  const Conv2dGeometry geometry = three_by_three(1);
  const Tensor x = Tensor::zeros({1, 5, 5, 4}, DType::f32), w = Tensor::zeros({6, 3, 3, 4}, DType::f32);
  const Tensor y({1, 5, 5, 6}, DType::f32);
  CHECK_NOTHROW(conv2d_forward(cpu, geometry, x, w, {}, y));
  CHECK_THROWS_AS(conv2d_forward(cpu, geometry, x, Tensor::zeros({6, 3, 3, 2}, DType::f32), {}, y), UsageError);
  CHECK_THROWS_AS(conv2d_forward(cpu, geometry, x, w, {}, Tensor({1, 5, 4, 6}, DType::f32)), UsageError);
  CHECK_THROWS_AS(conv2d_forward(cpu, geometry, x, w, {.bias = Tensor::zeros({5}, DType::f32)}, y), UsageError);
  CHECK_THROWS_AS(conv2d_forward(cpu, geometry, x, w.cast(DType::f64), {}, y), UsageError);
  CHECK_THROWS_AS(three_by_three(0).output_shape({1, 5, 5, 4}, 6), UsageError);
  CHECK_THROWS_AS(three_by_three(1, 3).output_shape({1, 5, 5, 4}, 6), UsageError);
  CHECK_THROWS_AS((Conv2dGeometry{.kernel = {6, 1}}.output_shape({1, 5, 5, 4}, 6)), UsageError);
  CHECK_THROWS_AS(bias_backward(cpu, y, {Tensor({5}, DType::f32), Write::assign}), UsageError);
}

TEST_CASE("conv2d: the layer names its parameters and skips frozen ones", "[conv2d]") {
  Device device = Cpu(1);
  Context context{.device = device, .phase = Phase::train};
  Conv2d layer(3, 3, {.stride = 2, .pad = 1, .weight = {.filler = Filler::xavier(), .lr_mult = 0}});
  const std::vector<TensorSpec> specs{{{2, 5, 4, 2}, DType::f32}};
  layer.build(specs);
  const LayerPlan plan = layer.setup(specs);
  REQUIRE(plan.outputs.size() == 1);
  CHECK(plan.outputs[0].shape == Shape{2, 3, 2, 3});

  std::vector<Parameter*> parameters;
  layer.visit([&](Parameter& parameter) { parameters.push_back(&parameter); });
  REQUIRE(parameters.size() == 2);
  CHECK(parameters[0]->name == "weight");
  CHECK(parameters[0]->value.shape() == Shape{3, 3, 3, 2});
  CHECK(parameters[0]->layout == ParameterLayout::convolution);
  CHECK(parameters[1]->name == "bias");
  CHECK(parameters[1]->lr_mult == 2);
  CHECK(parameters[1]->decay_mult == 0);
  parameters[0]->value.copy_from(integers<float>({3, 3, 3, 2}, 1));
  parameters[1]->value.copy_from(integers<float>({3}, 2));
  const std::vector<ParameterGradient> gradients{{parameters[1], Tensor::zeros({3}, DType::f32)}};

  const std::vector<Tensor> inputs{integers<float>({2, 5, 4, 2}, 3)}, outputs{Tensor({2, 3, 2, 3}, DType::f32)};
  layer.forward({.context = context, .inputs = inputs, .outputs = outputs, .saved = {}, .state = plan.state.get()});
  Cpu cpu(1);
  Tensor expected({2, 3, 2, 3}, DType::f32);
  conv2d_forward(cpu, three_by_three(2), inputs[0], parameters[0]->value, {.bias = parameters[1]->value}, expected);
  CHECK(equal<float>(outputs[0], expected));

  // The frozen weight has no gradient tensor: touching it would throw.
  const std::vector<Gradient> input_gradients{{}};
  layer.backward({.context = context,
                  .inputs = inputs,
                  .outputs = {},
                  .saved = {},
                  .output_gradients = outputs,
                  .input_gradients = input_gradients,
                  .parameter_gradients = gradients,
                  .state = plan.state.get()});
  Tensor dbias({3}, DType::f32);
  bias_backward(cpu, outputs[0], {dbias, Write::assign});
  CHECK(equal<float>(gradients[0].gradient, dbias));
}
