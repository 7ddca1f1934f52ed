// Whether a tensor holds a NaN or an infinity.
//
//   all_finite(cpu, x);                  // true; waits for the answer
//   raise_unless_finite(cpu, x, flag);   // does not: flag, u8 (1), stays 0
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>

namespace amnet {

/// True where every element of a floating-point tensor is finite.
bool all_finite(Cpu& cpu, const Tensor& tensor);
bool all_finite(Cuda& cuda, const Tensor& tensor);

/// flag, a u8 (1), becomes 1 where an element of a floating-point tensor is not finite, and stays
/// as it is otherwise. The call does not wait.
void raise_unless_finite(Cpu& cpu, const Tensor& tensor, const Tensor& flag);
void raise_unless_finite(Cuda& cuda, const Tensor& tensor, const Tensor& flag);

}  // namespace amnet
