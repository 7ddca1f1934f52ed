// Gradient checks of a layer on several shapes, three seeds each.
//
//   check_layer([] { return Relu(); }, images, {.kinks = {{"input 0", 0}}});
//   check_layer([] { return TargetMargin({.margin = 0.35}); }, {{5, 3}}, {}, cosines_and_labels);
#pragma once

#include <amnet/testing/gradcheck.h>

#include <functional>
#include <initializer_list>
#include <vector>

#include "catch.h"

namespace amnet {

/// The inputs of a layer, in f64, for the shape of its first one.
using MakeInputs = std::function<std::vector<Tensor>(const Shape&, std::uint64_t seed)>;

inline std::vector<Tensor> one_input(const Shape& shape, std::uint64_t seed) { return {random_normal(shape, seed)}; }

/// i64 (samples), each below `classes`.
inline Tensor random_labels(std::int64_t samples, std::int64_t classes, std::uint64_t seed) {
  Tensor labels({samples}, DType::i64);
  const Random random(seed, stream_of("labels"));
  for (std::size_t i = 0; i < static_cast<std::size_t>(samples); ++i) {
    labels.data<std::int64_t>()[i] = static_cast<std::int64_t>(random.below(i, static_cast<std::uint64_t>(classes)));
  }
  return labels;
}

template <class MakeLayer>
void check_layer(MakeLayer make, std::initializer_list<Shape> shapes, GradcheckOptions options = {}, const MakeInputs& inputs = one_input) {
  for (const Shape& shape : shapes) {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      auto layer = make();
      options.seed = seed;
      const GradcheckResult result = gradcheck(layer, inputs(shape, seed * 101), options);
      INFO("input " << shape.str() << ", seed " << seed << "\n" << result.report());
      REQUIRE(result.passed());
      REQUIRE(result.checked > 0);
    }
  }
}

inline const std::initializer_list<Shape> images = {{1, 5, 3, 4}, {2, 3, 7, 1}, {3, 4, 4, 17}, {2, 1, 6, 3}};
inline const std::initializer_list<Shape> images_or_rows = {{1, 5, 3, 4}, {2, 3, 7, 1}, {3, 4, 2, 17}, {6, 19}};

}  // namespace amnet
