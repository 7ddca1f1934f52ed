// Compares the backward of dilated, depthwise and transposed convolutions with central differences
// in double.
#include <amnet/layers/conv2d.h>
#include <amnet/layers/conv2d_transpose.h>
#include <amnet/testing/gradcheck.h>

#include "catch.h"

namespace {

using namespace amnet;

template <class L>
void check(std::int64_t outputs, Extents kernel, const Conv2dOptions& options, std::initializer_list<Shape> shapes) {
  for (const Shape& shape : shapes) {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      L layer(outputs, kernel, options);
      const Tensor x = random_normal(shape, seed * 101);
      const GradcheckResult result = gradcheck(layer, {&x, 1}, {.seed = seed, .max_elements = 60});
      INFO(shape.str() << ", seed " << seed << "\n" << result.report());
      REQUIRE(result.passed());
      REQUIRE(result.checked > 0);
    }
  }
}

}  // namespace

TEST_CASE("gradcheck: dilated convolution", "[gradcheck]") {
  check<Conv2d>(4, 3, {.pad = 2, .dilation = 2}, {{1, 5, 3, 4}, {2, 3, 7, 1}, {2, 4, 4, 17}, {1, 8, 6, 16}});
  check<Conv2d>(3, 3, {.stride = 2, .pad = {1, 3}, .with_bias = false, .dilation = {1, 3}}, {{1, 5, 3, 4}, {2, 6, 7, 1}, {1, 9, 6, 3}});
  check<Conv2d>(6, {2, 3}, {.stride = {1, 3}, .pad = {2, 4}, .groups = 2, .dilation = {3, 2}}, {{1, 5, 5, 4}, {2, 3, 7, 2}, {1, 2, 6, 8}});
}

TEST_CASE("gradcheck: depthwise convolution", "[gradcheck]") {
  check<Conv2d>(4, 3, {.pad = 1, .groups = 4}, {{1, 5, 3, 4}, {2, 3, 7, 4}, {2, 6, 4, 4}});
  check<Conv2d>(8, {3, 1}, {.stride = {2, 1}, .pad = {1, 0}, .groups = 4}, {{1, 5, 3, 4}, {2, 3, 7, 4}, {2, 6, 4, 4}});
}

TEST_CASE("gradcheck: transposed convolution", "[gradcheck]") {
  check<Conv2dTranspose>(3, 4, {.stride = 2, .pad = 1}, {{1, 5, 3, 4}, {2, 3, 7, 1}, {2, 2, 1, 17}});
  check<Conv2dTranspose>(6, {1, 3}, {.stride = {3, 1}, .groups = 2, .with_bias = false}, {{1, 5, 3, 4}, {2, 3, 2, 2}, {1, 1, 1, 6}});
  check<Conv2dTranspose>(2, 3, {.stride = {1, 2}, .pad = {2, 1}, .dilation = {2, 1}}, {{1, 5, 3, 4}, {2, 3, 7, 1}, {2, 4, 2, 3}});
  check<Conv2dTranspose>(16, 3, {.pad = 1}, {{1, 5, 6, 16}, {2, 4, 4, 32}});  // by tiles
}
