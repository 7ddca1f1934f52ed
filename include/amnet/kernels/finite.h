// Whether a tensor holds a NaN or an infinity.
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/tensor.h>

namespace amnet {

/// True where every element of a floating-point tensor is finite.
bool all_finite(Cpu& cpu, const Tensor& tensor);

}  // namespace amnet
