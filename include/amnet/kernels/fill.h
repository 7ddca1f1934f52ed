// Every element of a tensor set to one value, in any memory.
//
//   fill(cpu, x, 0.5);
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// A floating-point tensor: f32 or f64 on the CPU, f32 or bf16 on a GPU.
void fill(Cpu& cpu, const Tensor& tensor, double value);
void fill(Cuda& cuda, const Tensor& tensor, double value);

/// A gradient to which nothing contributes: 0 where it is assigned, as it was where it is added to.
template <class Backend>
void zero_gradient(Backend& backend, const Gradient& gradient) {
  if (gradient.write == Write::assign) fill(backend, gradient.tensor, 0);
}

}  // namespace amnet
