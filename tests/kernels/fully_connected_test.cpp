#include "catch.h"

#include <amnet/core/random.h>
#include <amnet/kernels/fully_connected.h>
#include <amnet/kernels/normalize.h>
#include <amnet/layers/fully_connected.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

using namespace amnet;

namespace {

struct Case {
  std::int64_t samples, inputs, outputs;
  Shape x() const { return {samples, inputs}; }
  Shape w() const { return {outputs, inputs}; }
  Shape y() const { return {samples, outputs}; }
};

/// Integers in [-4, 4]: products and sums of them are exact in float, in any order.
template <class T>
Tensor integers(const Shape& shape, std::uint64_t seed) {
  const Random random(seed);
  std::vector<T> values(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(random.below(i, 9)) - T{4};
  return Tensor::of(shape, std::span<const T>(values));
}

/// Rounded to float, so that both precisions compute on the same numbers.
Tensor normals(const Shape& shape, std::uint64_t seed) {
  const Random random(seed);
  std::vector<double> values(static_cast<std::size_t>(shape.count()));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = random.normal(i);
  return Tensor::of(shape, std::span<const double>(values)).cast(DType::f32).cast(DType::f64);
}

Tensor garbage(const Shape& shape, DType dtype) {
  Tensor tensor(shape, dtype);
  tensor.fill(std::numeric_limits<double>::quiet_NaN());
  return tensor;
}

/// Equal element by element: a zero may have either sign.
template <class T>
bool equal(const Tensor& a, const Tensor& b) {
  const auto left = a.data<T>(), right = b.data<T>();
  return std::equal(left.begin(), left.end(), right.begin(), right.end());
}

template <class T>
Tensor plus(const Tensor& a, const Tensor& b) {
  Tensor sum = a.clone();
  for (std::size_t i = 0; i < sum.data<T>().size(); ++i) sum.data<T>()[i] += b.data<T>()[i];
  return sum;
}

template <class T>
void compare_with_plain_loop(Cpu& cpu, const Case& test) {
  INFO("x " << test.x().str() << " w " << test.w().str() << " " << name_of(dtype_of<T>()));
  const DType dtype = dtype_of<T>();
  const Tensor x = integers<T>(test.x(), 1), w = integers<T>(test.w(), 2), bias = integers<T>({test.outputs}, 3),
               dy = integers<T>(test.y(), 4);
  const Tensor y = Tensor::zeros(test.y(), dtype), biased = Tensor::zeros(test.y(), dtype), dx = Tensor::zeros(test.x(), dtype),
               dw = Tensor::zeros(test.w(), dtype);
  for (std::int64_t n = 0; n < test.samples; ++n) {
    const T* const x_row = x.data<T>().data() + n * test.inputs;
    T* const dx_row = dx.data<T>().data() + n * test.inputs;
    for (std::int64_t o = 0; o < test.outputs; ++o) {
      const auto iy = static_cast<std::size_t>(n * test.outputs + o);
      const T* const w_row = w.data<T>().data() + o * test.inputs;
      T* const dw_row = dw.data<T>().data() + o * test.inputs;
      T sum = 0;
      const T dy_value = dy.data<T>()[iy];
      for (std::int64_t i = 0; i < test.inputs; ++i) {
        sum += x_row[i] * w_row[i];
        dx_row[i] += dy_value * w_row[i];
        dw_row[i] += dy_value * x_row[i];
      }
      y.data<T>()[iy] = sum;
      biased.data<T>()[iy] = sum + bias.data<T>()[static_cast<std::size_t>(o)];
    }
  }
  Tensor out = garbage(test.y(), dtype);
  fully_connected_forward(cpu, x, w, {}, out);
  CHECK(equal<T>(out, y));
  out = garbage(test.y(), dtype);
  fully_connected_forward(cpu, x, w, bias, out);
  CHECK(equal<T>(out, biased));

  Tensor dx_out = garbage(test.x(), dtype), dw_out = garbage(test.w(), dtype);
  fully_connected_backward_data(cpu, dy, w, {dx_out, Write::assign});
  fully_connected_backward_weights(cpu, x, dy, {dw_out, Write::assign});
  CHECK(equal<T>(dx_out, dx));
  CHECK(equal<T>(dw_out, dw));

  const Tensor dx_before = integers<T>(test.x(), 5), dw_before = integers<T>(test.w(), 6);
  dx_out = dx_before.clone();
  dw_out = dw_before.clone();
  fully_connected_backward_data(cpu, dy, w, {dx_out, Write::add});
  fully_connected_backward_weights(cpu, x, dy, {dw_out, Write::add});
  CHECK(equal<T>(dx_out, plus<T>(dx, dx_before)));
  CHECK(equal<T>(dw_out, plus<T>(dw, dw_before)));
}

struct Results {
  Tensor y, dx, dw;
};

Results run(Cpu& cpu, const Case& test, DType dtype) {
  const Tensor x = normals(test.x(), 1).cast(dtype), w = normals(test.w(), 2).cast(dtype), dy = normals(test.y(), 4).cast(dtype);
  Results results{.y = {test.y(), dtype}, .dx = {test.x(), dtype}, .dw = {test.w(), dtype}};
  fully_connected_forward(cpu, x, w, {}, results.y);
  fully_connected_backward_data(cpu, dy, w, {results.dx, Write::assign});
  fully_connected_backward_weights(cpu, x, dy, {results.dw, Write::assign});
  return results;
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

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && std::memcmp(a.raw(), b.raw(), a.size_bytes()) == 0;
}

/// fc5 and the head of the 20-layer network at a small batch, and a number of classes as for faces.
const std::vector<Case> network_cases{{5, 21504, 64}, {32, 512, 1051}, {130, 512, 300}, {1, 1344, 512}};

/// A layer with its tensors, run once forward and backward on integers.
struct Run {
  Device device = Cpu(2);
  Context context{.device = device, .phase = Phase::train};
  Tensor x, dy, y, dx, stored, dw;
  std::vector<Tensor> saved;

  Run(const FullyConnectedOptions& options, const Tensor& weights, std::int64_t samples) {
    const DType dtype = weights.dtype();
    FullyConnected layer(weights.extent(0), options);
    const std::vector<TensorSpec> specs{{{samples, weights.extent(1)}, dtype}};
    layer.build(specs);
    const LayerPlan plan = layer.setup(specs);
    std::vector<Parameter*> parameters;
    layer.visit([&](Parameter& parameter) { parameters.push_back(&parameter); });
    REQUIRE(parameters.size() == (options.with_bias ? 2 : 1));
    CHECK(parameters[0]->name == "weight");
    parameters[0]->value.copy_from(weights);
    dw = garbage(weights.shape(), dtype);
    std::vector<ParameterGradient> gradients{{parameters[0], dw}};
    if (options.with_bias) gradients.push_back({parameters[1], garbage({weights.extent(0)}, dtype)});
    x = integers<double>(specs[0].shape, 1).cast(dtype);
    dy = integers<double>(plan.outputs[0].shape, 2).cast(dtype);
    y = garbage(dy.shape(), dtype);
    dx = garbage(x.shape(), dtype);
    for (const TensorSpec& spec : plan.saved) saved.push_back(garbage(spec.shape, spec.dtype));
    const std::vector<Tensor> inputs{x}, outputs{y}, output_gradients{dy};
    const std::vector<Gradient> input_gradients{{dx, Write::assign}};
    layer.forward({.context = context, .inputs = inputs, .outputs = outputs, .saved = saved});
    stored = parameters[0]->value.clone();
    layer.backward({.context = context,
                    .inputs = inputs,
                    .outputs = {},
                    .saved = saved,
                    .output_gradients = output_gradients,
                    .input_gradients = input_gradients,
                    .parameter_gradients = gradients});
  }
};

/// w / sqrt(sum of w^2 + epsilon), row by row.
Tensor unit_rows(const Tensor& w, double epsilon) {
  Tensor unit = w.clone();
  const auto values = unit.data<double>();
  const auto columns = static_cast<std::size_t>(w.extent(1));
  for (std::size_t row = 0; row < static_cast<std::size_t>(w.extent(0)); ++row) {
    double sum = epsilon;
    for (std::size_t i = 0; i < columns; ++i) sum += values[row * columns + i] * values[row * columns + i];
    for (std::size_t i = 0; i < columns; ++i) values[row * columns + i] /= std::sqrt(sum);
  }
  return unit;
}

void check_close(const Tensor& a, const Tensor& b) {
  int wrong = 0;
  for (std::size_t i = 0; i < a.data<double>().size(); ++i) {
    const double expected = b.data<double>()[i];
    wrong += std::abs(a.data<double>()[i] - expected) <= 1e-12 * (1 + std::abs(expected)) ? 0 : 1;
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("fully_connected: equals a plain loop bit for bit on integers", "[fully_connected]") {
  Cpu cpu(2);
  std::vector<Case> cases{{1, 1, 1},
                          {1, 700, 3},
                          {257, 3, 2},
                          {3, 64, 300},
                          {513, 33, 40},
                          {2, 1030, 161},
                          {128, 64, 128},
                          // rows at a distance of whole pages; inputs in several parts; both
                          {35, 1024, 200},
                          {3, 2300, 50},
                          {33, 3072, 100}};
  for (std::uint64_t draw = 0; draw < 200; ++draw) {
    const Random random(7, draw);
    cases.push_back({1 + static_cast<std::int64_t>(random.below(0, 20)), 1 + static_cast<std::int64_t>(random.below(1, 70)),
                     1 + static_cast<std::int64_t>(random.below(2, 70))});
  }
  for (const Case& test : cases) {
    compare_with_plain_loop<float>(cpu, test);
    compare_with_plain_loop<double>(cpu, test);
  }
}

TEST_CASE("fully_connected: float agrees with double on the network's shapes", "[fully_connected]") {
  Cpu cpu(2);
  for (const Case& test : network_cases) {
    INFO("x " << test.x().str() << " w " << test.w().str());
    const Results single = run(cpu, test, DType::f32), twice = run(cpu, test, DType::f64);
    CHECK(relative_distance(single.y, twice.y) < 1e-5);
    CHECK(relative_distance(single.dx, twice.dx) < 1e-5);
    CHECK(relative_distance(single.dw, twice.dw) < 1e-5);
  }
}

TEST_CASE("fully_connected: the same bits with 1, 2 and 4 threads", "[fully_connected]") {
  Cpu one(1), two(2), four(4);
  for (const Case& test : network_cases) {
    const Results expected = run(one, test, DType::f32);
    for (Cpu* cpu : {&two, &four}) {
      const Results results = run(*cpu, test, DType::f32);
      CHECK(same_bits(results.y, expected.y));
      CHECK(same_bits(results.dx, expected.dx));
      CHECK(same_bits(results.dw, expected.dw));
    }
  }
}

TEST_CASE("fully_connected: a sample has the same output bits in every batch", "[fully_connected]") {
  Cpu cpu(2);
  for (const std::int64_t inputs : {70, 1344, 2300}) {
    const Tensor x = normals({300, inputs}, 1).cast(DType::f32), w = normals({130, inputs}, 2).cast(DType::f32);
    Tensor all({300, 130}, DType::f32);
    fully_connected_forward(cpu, x, w, {}, all);
    for (const std::int64_t batch : {1, 5, 16, 17, 33, 256, 299}) {
      Tensor y({batch, 130}, DType::f32);
      fully_connected_forward(cpu, x.slice(300 - batch, 300), w, {}, y);
      CHECK(same_bits(y, all.slice(300 - batch, 300)));
    }
  }
}

TEST_CASE("fully_connected: the cosine products equal those with unit rows written down", "[fully_connected]") {
  Cpu cpu(2), one(1);
  for (const Case& test : {Case{1, 1, 1}, Case{3, 7, 5}, Case{5, 33, 130}, Case{32, 512, 70}, Case{300, 40, 1600}, Case{2, 6000, 30}}) {
    INFO("x " << test.x().str() << " w " << test.w().str());
    const double epsilon = 0.25;
    const Tensor x = normals(test.x(), 1), w = normals(test.w(), 2), dy = normals(test.y(), 3), unit = unit_rows(w, epsilon);
    const Tensor bias = normals({test.outputs}, 4);
    const Tensor y = garbage(test.y(), DType::f64), expected_y = garbage(test.y(), DType::f64);
    const Tensor norms = garbage({test.outputs, 1}, DType::f64);
    cosine_forward(cpu, x, w, epsilon, bias, y, norms);
    fully_connected_forward(cpu, x, unit, bias, expected_y);
    check_close(y, expected_y);

    const Tensor dx = garbage(test.x(), DType::f64), expected_dx = garbage(test.x(), DType::f64);
    cosine_backward_data(cpu, dy, w, norms, {dx, Write::assign});
    fully_connected_backward_data(cpu, dy, unit, {expected_dx, Write::assign});
    check_close(dx, expected_dx);

    const Tensor du = garbage(test.w(), DType::f64), dw = garbage(test.w(), DType::f64), again = garbage(test.w(), DType::f64);
    const Tensor expected_dw = garbage(test.w(), DType::f64), before = normals(test.w(), 5), added = before.clone();
    cosine_backward_weights(cpu, x, dy, w, norms, {dw, Write::assign});
    cosine_backward_weights(one, x, dy, w, norms, {again, Write::assign});
    cosine_backward_weights(cpu, x, dy, w, norms, {added, Write::add});
    fully_connected_backward_weights(cpu, x, dy, {du, Write::assign});
    normalize_backward(cpu, unit, norms, du, {}, {expected_dw, Write::assign});
    check_close(dw, expected_dw);
    CHECK(same_bits(dw, again));
    check_close(added, plus<double>(expected_dw, before));
  }
  const Tensor w = normals({3, 4}, 2), dw = garbage({3, 4}, DType::f64), norms = Tensor::of<double>({3, 1}, {1.0, 2.0, 3.0});
  cosine_backward_weights(cpu, Tensor({0, 4}, DType::f64), Tensor({0, 3}, DType::f64), w, norms, {dw, Write::assign});
  CHECK(equal<double>(dw, Tensor::zeros({3, 4}, DType::f64)));
  CHECK_THROWS_AS(
      cosine_backward_data(cpu, Tensor({2, 3}, DType::f64), w, Tensor({4}, DType::f64), {Tensor({2, 4}, DType::f64), Write::assign}),
      UsageError);
}

TEST_CASE("fully_connected: a gradient that goes past the caches has the bits of one that does not", "[fully_connected]") {
  Cpu cpu(2);
  const Case test{5, 512, 17000};  // 35 MB
  const Tensor x = normals(test.x(), 1).cast(DType::f32), w = normals(test.w(), 2).cast(DType::f32),
               dy = normals(test.y(), 3).cast(DType::f32);
  const Tensor norms({test.outputs, 1}, DType::f32), streamed = garbage(test.w(), DType::f32), added = Tensor::zeros(test.w(), DType::f32);
  norms.fill(2);
  fully_connected_backward_weights(cpu, x, dy, {streamed, Write::assign});
  fully_connected_backward_weights(cpu, x, dy, {added, Write::add});
  CHECK(equal<float>(streamed, added));
  streamed.fill(std::numeric_limits<double>::quiet_NaN());
  added.fill(0);
  cosine_backward_weights(cpu, x, dy, w, norms, {streamed, Write::assign});
  cosine_backward_weights(cpu, x, dy, w, norms, {added, Write::add});
  CHECK(equal<float>(streamed, added));
}

TEST_CASE("fully_connected: projected rows leave the stored weights alone and have an orthogonal gradient", "[fully_connected]") {
  const Tensor w = integers<double>({5, 7}, 3), unit = unit_rows(w, 1e-12);
  const Run run({.with_bias = false, .row_norm = RowNorm::projected}, w, 4);
  Cpu cpu(1);
  CHECK(equal<double>(run.stored, w));
  Tensor y({4, 5}, DType::f64), dx({4, 7}, DType::f64), plain({5, 7}, DType::f64);
  fully_connected_forward(cpu, run.x, unit, {}, y);
  fully_connected_backward_data(cpu, run.dy, unit, {dx, Write::assign});
  fully_connected_backward_weights(cpu, run.x, run.dy, {plain, Write::assign});
  check_close(run.y, y);
  check_close(run.dx, dx);
  double largest = 0;
  for (std::size_t row = 0; row < 5; ++row) {
    double along = 0;
    for (std::size_t i = 0; i < 7; ++i) {
      along += run.dw.data<double>()[row * 7 + i] * w.data<double>()[row * 7 + i];
      largest = std::max(largest, std::abs(run.dw.data<double>()[row * 7 + i]));
    }
    CHECK(along == Approx(0).margin(1e-9));
  }
  CHECK(largest > 0.1);
}

TEST_CASE("fully_connected: rows in place change the stored weights and nothing of the gradient", "[fully_connected]") {
  const Tensor w = integers<double>({5, 7}, 3), unit = unit_rows(w, 0.5);
  const Run run({.row_norm = RowNorm::in_place, .epsilon = 0.5}, w, 4);
  Cpu cpu(1);
  check_close(run.stored, unit);
  Tensor y({4, 5}, DType::f64), dx({4, 7}, DType::f64), dw({5, 7}, DType::f64);
  fully_connected_forward(cpu, run.x, unit, {}, y);
  fully_connected_backward_data(cpu, run.dy, unit, {dx, Write::assign});
  fully_connected_backward_weights(cpu, run.x, run.dy, {dw, Write::assign});
  check_close(run.y, y);
  check_close(run.dx, dx);
  CHECK(equal<double>(run.dw, dw));
}

TEST_CASE("fully_connected: an empty batch has a weight gradient of zero", "[fully_connected]") {
  Cpu cpu(2);
  const Tensor x({0, 4}, DType::f32), dy({0, 3}, DType::f32), dw = Tensor::zeros({3, 4}, DType::f32);
  dw.fill(7);
  fully_connected_forward(cpu, x, dw, {}, dy);
  fully_connected_backward_weights(cpu, x, dy, {dw, Write::add});
  CHECK(dw.data<float>()[0] == 7);
  fully_connected_backward_weights(cpu, x, dy, {dw, Write::assign});
  CHECK(equal<float>(dw, Tensor::zeros({3, 4}, DType::f32)));
}

TEST_CASE("fully_connected: shapes that do not belong together are refused", "[fully_connected]") {
  Cpu cpu(1);
  const Tensor x = Tensor::zeros({2, 4}, DType::f32), w = Tensor::zeros({3, 4}, DType::f32), y({2, 3}, DType::f32);
  CHECK_NOTHROW(fully_connected_forward(cpu, x, w, {}, y));
  CHECK_THROWS_AS(fully_connected_forward(cpu, x, Tensor::zeros({3, 5}, DType::f32), {}, y), UsageError);
  CHECK_THROWS_AS(fully_connected_forward(cpu, x, w, {}, Tensor({3, 2}, DType::f32)), UsageError);
  CHECK_THROWS_AS(fully_connected_forward(cpu, x, w, Tensor::zeros({2}, DType::f32), y), UsageError);
  FullyConnected layer(3);
  const std::vector<TensorSpec> image{{{2, 7, 6, 4}, DType::f32}}, rows{{{2, 4}, DType::f32}}, wider{{{2, 5}, DType::f32}};
  CHECK_THROWS_AS(layer.build(image), UsageError);
  CHECK_THROWS_AS(layer.setup(rows), UsageError);  // no parameters yet
  layer.build(rows);
  CHECK_THROWS_AS(layer.setup(image), UsageError);
  CHECK_NOTHROW(layer.setup(rows));
  CHECK_THROWS_AS(layer.setup(wider), UsageError);
}

TEST_CASE("fully_connected: the scratch memory is what was forecast", "[fully_connected]") {
  for (const auto& [samples, inputs, outputs] : {std::array<std::int64_t, 3>{32, 512, 3000}, {5, 700, 64}, {300, 40, 20}}) {
    Cpu cpu(2);
    const Tensor x = Tensor::zeros({samples, inputs}, DType::f32), w = Tensor::zeros({outputs, inputs}, DType::f32);
    const Tensor y = Tensor::zeros({samples, outputs}, DType::f32), dx(x.shape(), DType::f32), dw(w.shape(), DType::f32);
    fully_connected_forward(cpu, x, w, {}, y);
    fully_connected_backward_data(cpu, y, w, {dx, Write::assign});
    fully_connected_backward_weights(cpu, x, y, {dw, Write::assign});
    CHECK(cpu.scratch_bytes() == fully_connected_scratch(cpu, samples, inputs, outputs, DType::f32, false).total(2));
    Cpu cosines(2);
    const Tensor norms({outputs}, DType::f32);
    norms.fill(1);
    cosine_forward(cosines, x, w, 1e-12, {}, y, norms);
    cosine_backward_data(cosines, y, w, norms, {dx, Write::assign});
    cosine_backward_weights(cosines, x, y, w, norms, {dw, Write::assign});
    CHECK(cosines.scratch_bytes() == fully_connected_scratch(cosines, samples, inputs, outputs, DType::f32, true).total(2));
  }
}
