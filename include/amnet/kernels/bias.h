// The gradient of a bias that was added to every row: dbias(c) = the sum of dy(...,c) over all
// rows.
//
//   bias_backward(cpu, dy, {dbias, Write::assign});   // dy (N,H,W,C) or (N,C), dbias (C)
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// dy (..., C), dbias (C), of one floating-point dtype; summed in an order that does not depend on
/// the number of threads.
void bias_backward(Cpu& cpu, const Tensor& dy, const Gradient& dbias);
void bias_backward(Cuda& cuda, const Tensor& dy, const Gradient& dbias);

}  // namespace amnet
