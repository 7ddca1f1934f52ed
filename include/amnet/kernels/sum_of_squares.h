// The sum of the squares of a tensor's elements, in double: of all gradients of a step, the square of their norm.
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>

namespace amnet {

/// sum, an f64 (1), grows by the sum of x_i^2 over the elements of x, of any shape and floating-point dtype (on a GPU f32 or bf16).
/// The order depends on the number of elements alone (and on the GPU), not on the number of threads. Nobody waits for it.
void add_sum_of_squares(Cpu& cpu, const Tensor& x, const Tensor& sum);
void add_sum_of_squares(Cuda& cuda, const Tensor& x, const Tensor& sum);

}  // namespace amnet
