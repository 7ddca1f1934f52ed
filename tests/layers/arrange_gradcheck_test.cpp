// Compares the backward passes of the layers that arrange and transform values with central
// differences.
#include <amnet/layers/broadcast.h>
#include <amnet/layers/combine.h>
#include <amnet/layers/concat.h>
#include <amnet/layers/flip.h>
#include <amnet/layers/parameter.h>
#include <amnet/layers/permute.h>
#include <amnet/layers/power.h>
#include <amnet/layers/reduce.h>
#include <amnet/layers/relu.h>
#include <amnet/layers/reshape.h>
#include <amnet/layers/sigmoid.h>
#include <amnet/layers/slice.h>
#include <amnet/layers/softmax.h>
#include <amnet/layers/tanh.h>

#include <cmath>
#include <vector>

#include "layers/layer_checks.h"

namespace {

using namespace amnet;

/// The inputs of a layer for a shape and a seed.
MakeInputs alike(std::size_t count) {
  return [count](const Shape& shape, std::uint64_t seed) {
    std::vector<Tensor> inputs;
    for (std::size_t i = 0; i < count; ++i) inputs.push_back(random_normal(shape, seed + i));
    return inputs;
  };
}

const GradcheckOptions kink_at_zero{.kinks = {{"input 0", 0}}};

}  // namespace

TEST_CASE("gradcheck: relu with a slope", "[gradcheck]") {
  for (const double slope : {0.1, 1.0, 3.0, -0.2, -1.0})
    check_layer([&] { return Relu({.negative_slope = slope}); }, images_or_rows, kink_at_zero);
}

TEST_CASE("gradcheck: tanh", "[gradcheck]") {
  check_layer([] { return Tanh(); }, images_or_rows);
}

TEST_CASE("gradcheck: sigmoid", "[gradcheck]") {
  check_layer([] { return Sigmoid(); }, images_or_rows);
}

TEST_CASE("gradcheck: power", "[gradcheck]") {
  check_layer([] { return Power({.scale = -3, .shift = 2}); }, images_or_rows);
  check_layer([] { return Power({.power = 2, .scale = 0.5, .shift = 1}); }, images_or_rows);
  check_layer([] { return Power({.power = 3, .scale = 0.5, .shift = 1}); }, images_or_rows);
  for (const double power : {0.5, -1.0, 2.5})
    check_layer([&] { return Power({.power = power, .scale = 0.5, .shift = 5}); }, images_or_rows);
  check_layer([] { return Power({.power = 0}); }, images_or_rows);
  check_layer([] { return Power({.power = 3, .scale = 0, .shift = 2}); }, images_or_rows);
}

TEST_CASE("gradcheck: combinations", "[gradcheck]") {
  for (const std::size_t count : {2U, 3U, 5U}) {
    check_layer([] { return Combine(); }, images_or_rows, {}, alike(count));
    check_layer([] { return Combine({.operation = Combination::product}); }, images_or_rows, {}, alike(count));
    const std::vector<double> coefficients = {1, -0.5, 2, 0, 3};
    check_layer(
        [&] {
          return Combine({.coefficients = {coefficients.begin(), coefficients.begin() + static_cast<std::ptrdiff_t>(count)}});
        },
        images_or_rows, {}, alike(count));
    for (const Shape& shape : images_or_rows) {
      for (const std::uint64_t seed : {1U, 2U, 3U}) {
        const std::vector<Tensor> inputs = alike(count)(shape, seed * 101);
        Combine layer({.operation = Combination::maximum});
        // near another input's element, the largest may change
        const auto near_another = [&](std::string_view tensor, std::int64_t index, double width) {
          const auto at = static_cast<std::size_t>(index), own = static_cast<std::size_t>(tensor.back() - '0');
          for (std::size_t other = 0; other < inputs.size(); ++other) {
            if (other != own && std::abs(inputs[other].data<double>()[at] - inputs[own].data<double>()[at]) <= width) return true;
          }
          return false;
        };
        const GradcheckResult result = gradcheck(layer, inputs, {.seed = seed, .near_kink = near_another});
        INFO(result.report());
        REQUIRE(result.passed());
        REQUIRE(result.checked > 0);
      }
    }
  }
}

TEST_CASE("gradcheck: flip of lines, and of both", "[gradcheck]") {
  check_layer([] { return Flip({.width = false, .height = true}); }, images);
  check_layer([] { return Flip({.height = true}); }, images);
}

TEST_CASE("gradcheck: permute", "[gradcheck]") {
  check_layer([] { return Permute({.order = {0, 3, 1, 2}}); }, images);
  check_layer([] { return Permute({.order = {3, 1, 0, 2}}); }, images);
  check_layer([] { return Permute({.order = {1, 0}}); }, {{1, 5}, {4, 3}, {2, 17}, {6, 19}});
}

TEST_CASE("gradcheck: reshape", "[gradcheck]") {
  check_layer([] { return Reshape({.extents = {0, -1}}); }, images_or_rows);
  check_layer([] { return Reshape({.extents = {-1, 1}}); }, images_or_rows);
}

TEST_CASE("gradcheck: concat and slice", "[gradcheck]") {
  for (const int axis : {0, 1, 2, 3}) {
    const MakeInputs parts = [axis](const Shape& shape, std::uint64_t seed) {
      return std::vector<Tensor>{random_normal(shape, seed), random_normal(shape.with(axis, 1), seed + 1),
                                 random_normal(shape.with(axis, 3), seed + 2)};
    };
    check_layer([&] { return Concat({.axis = axis}); }, images, {}, parts);
    const std::initializer_list<Shape> shapes = {{4, 4, 4, 4}, {6, 8, 6, 4}};
    check_layer([&] { return Slice({.axis = axis, .parts = 2}); }, shapes);
    check_layer([&] { return Slice({.axis = axis, .points = {1, 3}}); }, shapes);
  }
}

TEST_CASE("gradcheck: reductions", "[gradcheck]") {
  for (const Reduction operation : {Reduction::sum, Reduction::absolute_sum, Reduction::sum_of_squares, Reduction::mean}) {
    for (const int axis : {0, 1, 2, 3}) {
      check_layer([&] { return Reduce({.operation = operation, .axis = axis, .coefficient = -1.5}); }, images,
                  operation == Reduction::absolute_sum ? kink_at_zero : GradcheckOptions{});
    }
  }
}

TEST_CASE("gradcheck: softmax", "[gradcheck]") {
  check_layer([] { return Softmax(); }, {{1, 5, 3, 4}, {2, 3, 7, 2}, {3, 4, 2, 17}, {6, 19}});
}

TEST_CASE("gradcheck: parameter", "[gradcheck]") {
  for (const Shape& shape : {Shape{3}, Shape{2, 5}, Shape{1, 2, 3, 4}}) {
    std::vector<std::int64_t> extents;
    for (int i = 0; i < shape.rank(); ++i) extents.push_back(shape[i]);
    ParameterLayer layer({.extents = extents});
    layer.take_dtype(DType::f64);
    const GradcheckResult result = gradcheck(layer, {});
    INFO(result.report());
    CHECK(result.passed());
    CHECK(result.checked == shape.count());
  }
}

TEST_CASE("gradcheck: factors and terms that are parameters", "[gradcheck]") {
  const auto with = [](int axis, int axes, BroadcastFrom multiply, BroadcastFrom add) {
    return [=] { return Broadcast({.axis = axis, .axes = axes, .multiply = multiply, .add = add}); };
  };
  constexpr BroadcastFrom none = BroadcastFrom::none, parameter = BroadcastFrom::parameter;
  for (const int axis : {0, 1, 2, 3}) {
    for (int axes = 0; axis + axes <= 4; ++axes) {
      check_layer(with(axis, axes, parameter, parameter), images);
      check_layer(with(axis, axes, parameter, none), images);
      check_layer(with(axis, axes, none, parameter), images);
    }
  }
  // far from its limits
  check_layer([] { return Broadcast({.clamp_low = -100, .clamp_high = 100}); }, images);
}

TEST_CASE("gradcheck: factors and terms that are inputs", "[gradcheck]") {
  constexpr BroadcastFrom none = BroadcastFrom::none, parameter = BroadcastFrom::parameter, input = BroadcastFrom::input;
  for (const int axis : {0, 1, 2}) {
    for (const int axes : {0, 1, 2}) {
      const auto inputs = [=](std::size_t others) -> MakeInputs {
        return [=](const Shape& shape, std::uint64_t seed) {
          std::vector<Tensor> tensors = {random_normal(shape, seed)};
          const Shape covered = BroadcastAxes{.first = axis, .count = axes}.shape(shape);
          for (std::size_t i = 0; i < others; ++i) tensors.push_back(random_normal(covered, seed + 1 + i));
          return tensors;
        };
      };
      const auto with = [=](BroadcastFrom multiply, BroadcastFrom add) {
        return [=] { return Broadcast({.axis = axis, .axes = axes, .multiply = multiply, .add = add}); };
      };
      check_layer(with(input, none), images, {}, inputs(1));
      check_layer(with(input, parameter), images, {}, inputs(1));
      check_layer(with(none, input), images, {}, inputs(1));
      check_layer(with(parameter, input), images, {}, inputs(1));
      check_layer(with(input, input), images, {}, inputs(2));
    }
  }
}
