// Every element of a tensor set to one value, in any memory.
//
//   fill(cpu, x, 0.5);
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>

namespace amnet {

/// A floating-point tensor: f32 or f64 on the CPU, f32 or bf16 on a GPU.
void fill(Cpu& cpu, const Tensor& tensor, double value);
void fill(Cuda& cuda, const Tensor& tensor, double value);

}  // namespace amnet
