// Rows reduced to one number each: the sum, the sum of magnitudes, the sum of squares or the mean
// of their elements, times a coefficient (Caffe's Reduction layer).
//
//   const Tensor x({2, 3, 4}, DType::f32), y({2}, DType::f32);
//   reduce_forward(cpu, Reduction::mean, 1, x, y);                         // of 12 elements each
//   reduce_backward(cpu, Reduction::mean, 1, x, dy, {dx, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>
#include <amnet/core/named.h>

#include <array>
#include <string_view>

namespace amnet {

enum class Reduction : unsigned char { sum, absolute_sum, sum_of_squares, mean };
constexpr std::array<std::string_view, 4> names_of(Reduction) { return {"sum", "absolute_sum", "sum_of_squares", "mean"}; }
/// Whether the derivative depends on x.
constexpr bool reads_values(Reduction reduction) { return reduction == Reduction::absolute_sum || reduction == Reduction::sum_of_squares; }

/// x: as many rows, one after the other, as y has elements; y: f32 where x is bf16, else of its
/// dtype.
void reduce_forward(Cpu& cpu, Reduction reduction, double coefficient, const Tensor& x, const Tensor& y);
void reduce_forward(Cuda& cuda, Reduction reduction, double coefficient, const Tensor& x, const Tensor& y);

/// dx = coefficient dy times 1, the sign of x (0 for 0), 2 x, or 1 / elements of a row. x may be
/// undefined for a sum and a mean.
void reduce_backward(Cpu& cpu, Reduction reduction, double coefficient, const Tensor& x, const Tensor& dy, const Gradient& dx);
void reduce_backward(Cuda& cuda, Reduction reduction, double coefficient, const Tensor& x, const Tensor& dy, const Gradient& dx);

}  // namespace amnet
