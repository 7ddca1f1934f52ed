// Element-wise combination of several tensors: their sum with a coefficient for each, their
// product, or the largest of them (Caffe's Eltwise layer).
//
//   combine_forward(cpu, {.operation = Combination::product}, std::array{x0, x1}, y);
//   combine_backward(cpu, {.operation = Combination::product}, std::array{x0, x1}, 1, dy, {dx1, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>
#include <amnet/core/named.h>

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace amnet {

enum class Combination : unsigned char { sum, product, maximum };
constexpr std::array<std::string_view, 3> names_of(Combination) { return {"sum", "product", "maximum"}; }

/// So many tensors at most are combined at once.
inline constexpr std::size_t most_combined = 32;

struct CombineRule {
  Combination operation = Combination::sum;
  std::vector<double> coefficients = {};  ///< of a sum, one for each tensor; none: all 1

  double coefficient(std::size_t i) const { return coefficients.empty() ? 1 : coefficients[i]; }
};

/// xs: between two and most_combined, and y: all of one shape and floating-point dtype. Sums and
/// products are taken in the order of the tensors.
void combine_forward(Cpu& cpu, const CombineRule& rule, std::span<const Tensor> xs, const Tensor& y);
void combine_forward(Cuda& cuda, const CombineRule& rule, std::span<const Tensor> xs, const Tensor& y);

/// dx, of the tensor xs[which]: its coefficient times dy; or dy times the product of the other
/// tensors; or dy where this tensor is the largest, 0 elsewhere. Of equal ones the gradient goes to
/// one alone, as in the reference code's CPU code (layers/eltwise_layer.cpp): of the first two to
/// the second, and to a later one only where it is larger than all before. Tensors of `xs` are not
/// read for a sum, and may be undefined.
void combine_backward(Cpu& cpu, const CombineRule& rule, std::span<const Tensor> xs, std::size_t which, const Tensor& dy,
                      const Gradient& dx);
void combine_backward(Cuda& cuda, const CombineRule& rule, std::span<const Tensor> xs, std::size_t which, const Tensor& dy,
                      const Gradient& dx);

}  // namespace amnet
