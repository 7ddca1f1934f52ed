#include <amnet/core/random.h>
#include <amnet/kernels/conv2d_transpose.h>
#include <amnet/layers/conv2d_transpose.h>

#include <limits>
#include <vector>

#include "catch.h"
#include "values.h"

namespace {

using namespace amnet;

/// Integers in [-4, 4]: their sums are exact in any order.
Tensor integers(const Shape& shape, std::uint64_t seed) {
  Tensor tensor(shape, DType::f32);
  const Random random(seed);
  for (std::size_t i = 0; i < tensor.data<float>().size(); ++i) tensor.data<float>()[i] = static_cast<float>(random.below(i, 9)) - 4;
  return tensor;
}

/// The formula of the header, as plain loops: calls body(x index, w index, y index) for every
/// product.
template <class Body>
void for_each_product(const Conv2dGeometry& g, const Shape& x, const Shape& y, Body&& body) {
  const std::int64_t inputs = x[3] / g.groups, outputs = y[3] / g.groups;
  for (std::int64_t n = 0; n < x[0]; ++n) {
    for (std::int64_t i = 0; i < x[1] * x[2]; ++i) {
      for (std::int64_t tap = 0; tap < g.kernel.height * g.kernel.width; ++tap) {
        const std::int64_t row = i / x[2] * g.stride.height + tap / g.kernel.width * g.dilation.height - g.pad.height;
        const std::int64_t column = i % x[2] * g.stride.width + tap % g.kernel.width * g.dilation.width - g.pad.width;
        if (row < 0 || row >= y[1] || column < 0 || column >= y[2]) continue;
        for (std::int64_t c = 0; c < x[3]; ++c) {
          for (std::int64_t o = 0; o < outputs; ++o) {
            body(static_cast<std::size_t>((n * x[1] * x[2] + i) * x[3] + c),
                 static_cast<std::size_t>((c * g.kernel.height * g.kernel.width + tap) * outputs + o),
                 static_cast<std::size_t>(((n * y[1] + row) * y[2] + column) * y[3] + c / inputs * outputs + o));
          }
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("conv2d_transpose: equals a plain loop on integers", "[conv2d_transpose]") {
  const std::vector<std::pair<Shape, Conv2dGeometry>> cases = {
      {{2, 3, 4, 5}, {.kernel = 4, .stride = 2, .pad = 1}},
      {{1, 5, 3, 4}, {.kernel = {1, 3}, .stride = {3, 1}, .groups = 2}},
      {{2, 4, 5, 6}, {.kernel = 3, .stride = {1, 2}, .pad = {2, 1}, .groups = 6, .dilation = {2, 1}}},
      {{3, 1, 1, 8}, {.kernel = 5, .stride = 3, .pad = 2}},
      {{1, 6, 6, 2}, {.kernel = 2, .stride = 3}},
      {{2, 7, 6, 32}, {.kernel = 3, .pad = 1}},
  };
  for (const ConvolutionAlgorithm algorithm : {ConvolutionAlgorithm::direct, ConvolutionAlgorithm::automatic}) {
    Cpu cpu(2, algorithm);
    for (const auto& [shape, geometry] : cases) {
      INFO(shape.str() << " stride " << geometry.stride.height);
      const std::int64_t outputs = geometry.groups == 1 ? 16 : 2 * geometry.groups;
      const Shape pooled = conv2d_transpose_output_shape(geometry, shape, outputs);
      const Tensor x = integers(shape, 1), w = integers(geometry.weight_shape(outputs, shape[3]), 2), bias = integers({outputs}, 3),
                   dy = integers(pooled, 4), dx = integers(shape, 5), dw = integers(w.shape(), 6), y(pooled, DType::f32);
      std::vector<float> ys(static_cast<std::size_t>(y.count())), dxs = values_of<float>(dx), dws = values_of<float>(dw);
      for (std::size_t i = 0; i < ys.size(); ++i) ys[i] = bias.data<float>()[i % static_cast<std::size_t>(outputs)];
      for_each_product(geometry, shape, pooled, [&](std::size_t ix, std::size_t iw, std::size_t iy) {
        ys[iy] += x.data<float>()[ix] * w.data<float>()[iw];
        dxs[ix] += dy.data<float>()[iy] * w.data<float>()[iw];
        dws[iw] += dy.data<float>()[iy] * x.data<float>()[ix];
      });
      y.fill(std::numeric_limits<double>::quiet_NaN());
      conv2d_transpose_forward(cpu, geometry, x, w, bias, y);
      conv2d_transpose_backward(cpu, geometry, x, w, dy, {.dx = {dx, Write::add}, .dw = {dw, Write::add}});
      // tiles round
      for (std::size_t i = 0; i < ys.size(); ++i) REQUIRE(y.data<float>()[i] == Approx(ys[i]).margin(1e-3));
      for (std::size_t i = 0; i < dxs.size(); ++i) REQUIRE(dx.data<float>()[i] == Approx(dxs[i]).margin(1e-3));
      for (std::size_t i = 0; i < dws.size(); ++i) REQUIRE(dw.data<float>()[i] == Approx(dws[i]).margin(1e-3));
    }
  }
}

TEST_CASE("conv2d_transpose: shapes and geometries that do not belong together are refused", "[conv2d_transpose]") {
  Cpu cpu(1);
  const Conv2dGeometry geometry{.kernel = 2, .stride = 2};
  const Tensor x = integers({1, 3, 3, 4}, 1), w = integers({4, 2, 2, 6}, 2);
  CHECK_NOTHROW(conv2d_transpose_forward(cpu, geometry, x, w, {}, Tensor({1, 6, 6, 6}, DType::f32)));
  CHECK_THROWS_AS(conv2d_transpose_forward(cpu, geometry, x, w, {}, Tensor({1, 6, 5, 6}, DType::f32)), UsageError);
  CHECK_THROWS_AS(conv2d_transpose_forward(cpu, geometry, x, integers({6, 2, 2, 4}, 2), {}, Tensor({1, 6, 6, 6}, DType::f32)), UsageError);
  CHECK_THROWS_AS(conv2d_transpose_forward(cpu, geometry, x, w, integers({5}, 3), Tensor({1, 6, 6, 6}, DType::f32)), UsageError);
  CHECK_THROWS_AS(conv2d_transpose_output_shape({.kernel = 2, .pad = 2}, {1, 3, 3, 4}, 6), UsageError);
  CHECK_THROWS_AS(conv2d_transpose_output_shape({.kernel = 2, .groups = 3}, {1, 3, 3, 4}, 6), UsageError);
  Conv2dTranspose layer(6, 2, {.stride = 2});
  const std::vector<TensorSpec> inputs{{{1, 3, 3, 4}, DType::f32}};
  layer.build(inputs);
  CHECK(layer.setup(inputs).outputs[0].shape == Shape{1, 6, 6, 6});
  layer.look([](const Parameter& parameter) {
    if (parameter.name == "weight") CHECK(parameter.value.shape() == Shape{4, 2, 2, 6});
    if (parameter.name == "weight") CHECK(parameter.layout == ParameterLayout::convolution);
  });
}
