// Checks that a layer's backward is the derivative of its forward: in double, by central
// differences, and with hostile surroundings (poisoned outputs, pre-filled gradients, undefined
// tensors). It is part of the library, so that you can check your own layers. Not covered: rules
// that deliberately are not the derivative (compare those with golden numbers), and second
// derivatives.
//
//   PRelu prelu;
//   const Tensor x = random_normal({2, 5, 3, 4}, 1);                 // f64
//   const GradcheckResult result = gradcheck(prelu, {&x, 1}, {.kinks = {{"input 0", 0.0}}});
//   INFO(result.report());
//   REQUIRE(result.passed());
#pragma once

#include <amnet/layers/layer.h>

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace amnet {

/// A value of one tensor at which the layer has no derivative: elements near it are not checked.
struct Kink {
  std::string tensor;  ///< "input 0", or a parameter's name
  double at = 0;
};

struct GradcheckOptions {
  Phase phase = Phase::train;
  Step step = {};          ///< what dropout and annealed margins see
  std::uint64_t seed = 1;  ///< of the projection, the parameters and the subset of elements
  int threads = 1;
  ConvolutionAlgorithm convolution = ConvolutionAlgorithm::automatic;

  /// times the root mean square of the tensor that is moved; used as it is where that is 0
  double step_size = 1e-4;
  double relative_l2 = 1e-7;  ///< the limit for |analytic - numeric| / |numeric| over one tensor
  /// the limit for one element, relative to the larger of it and the floor
  double element = 1e-5;
  double element_floor = 1e-3;  ///< times the largest gradient of the tensor
  /// checks a random subset of at most so many elements per tensor; 0 checks all
  std::int64_t max_elements = 0;

  std::vector<Kink> kinks = {};
  /// For kinks that are not one value: whether moving this element by up to `width` may cross one.
  std::function<bool(std::string_view tensor, std::int64_t index, double width)> near_kink = {};
  double kink_width = 10;  ///< the distance that counts as near, in step sizes

  /// Floating-point inputs that take no gradient. Integer inputs never do.
  std::vector<std::size_t> not_differentiable = {};
  /// Draws each parameter and buffer; without it they are normal, and buffers uniform in [0.5,
  /// 1.5].
  std::function<void(Parameter&)> draw_parameter = {};
  bool keep_parameters = false;  ///< checks at the values that the parameters already have
};

/// What was found. Every failure is one sentence.
struct GradcheckResult {
  bool passed() const { return failures.empty(); }
  /// The worst numbers and then every failure, one per line.
  std::string report() const;

  std::string layer;
  std::vector<std::string> failures;
  double worst_relative_l2 = 0;
  double worst_element = 0;
  std::string worst_tensor;  ///< where the worst element is
  std::int64_t checked = 0;  ///< elements compared with a central difference
  std::int64_t skipped = 0;  ///< elements left out because they lie near a kink
};

/// Sets the layer up for these inputs (floating-point ones f64) and checks every input and every
/// trainable parameter:
/// - the gradient of sum_k <r_k, output_k>, r random, against central differences;
/// - outputs and saved state are poisoned before forward, which must write them all and give the
///   same bits twice, and
///   leave its inputs alone;
/// - a gradient to assign is pre-filled with NaN, one to add with known values; each is also asked
///   for alone;
/// - what needs() does not name is undefined in backward; output gradients are not written to;
/// - of several outputs each may have an undefined gradient: the parts must sum to the whole;
/// - a frozen parameter (lr_mult 0) gets no gradient and keeps its value.
/// Throws UsageError for inputs the layer does not take.
GradcheckResult gradcheck(Layer& layer, std::span<const Tensor> inputs, const GradcheckOptions& options = {});

/// Normal values with mean 0, f64: the input of most checks.
Tensor random_normal(Shape shape, std::uint64_t seed, double deviation = 1);

}  // namespace amnet
