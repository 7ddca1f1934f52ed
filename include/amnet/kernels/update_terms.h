// What all parameters of a step share when they are updated (kernels/sgd.h, kernels/adam.h), and
// how a gradient becomes the slope g that the rules work with, as in Caffe (sgd_solver.cpp of
// happynear/caffe-windows):
//   g = clip * gradient_scale * gradient + weight_decay * w            (l2)
//   g = clip * gradient_scale * gradient + weight_decay * sign(w)      (l1; the sign of 0 is 0)
//
//   sgd_step(cpu, updates, {.regularization = Regularization::l1, .clip = factor});
#pragma once

#include <amnet/core/tensor.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace amnet {

enum class Regularization : unsigned char { l2, l1 };
constexpr std::array<std::string_view, 2> names_of(Regularization) { return {"l2", "l1"}; }

struct UpdateTerms {
  Regularization regularization = Regularization::l2;
  Tensor clip = {};  ///< f64 (1), as clip_factor writes it (kernels/clip_factor.h); undefined: 1
  /// u8 (1); where it is defined and not 0, nothing is changed: raise_unless_finite of
  /// kernels/finite.h sets it
  Tensor halted = {};
};

}  // namespace amnet
