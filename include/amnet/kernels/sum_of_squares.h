// The sum of the squares of a tensor's elements, in double: of all gradients of a step, the square
// of their norm.
//
//   const Tensor x = Tensor::of<float>({2}, {3, 4}), sum({1}, DType::f64);
//   sum_of_squares(cpu, x, sum);
//   sum.item();   // 25
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>

namespace amnet {

/// sum: f64 (1), the sum of x_i^2 over the elements of x, of any shape and floating-point dtype (on
/// a GPU f32 or bf16). The order depends on the number of elements alone (and on the GPU), not on
/// the number of threads. The call does not wait.
void sum_of_squares(Cpu& cpu, const Tensor& x, const Tensor& sum);
void sum_of_squares(Cuda& cuda, const Tensor& x, const Tensor& sum);

}  // namespace amnet
