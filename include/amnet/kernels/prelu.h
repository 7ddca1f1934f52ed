// PReLU: y = x where x > 0, slope * x elsewhere; one slope per channel (last dimension) or one in
// all. He, Zhang, Ren, Sun, "Delving Deep into Rectifiers" (arXiv 1502.01852), equations 1 and 8.
//
//   prelu_forward(cpu, x, slope, y);
//   prelu_backward(cpu, x, slope, dy, {dx, Write::assign}, {dslope, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// x, y: (..., C); slope: (C) or (1). All of one floating-point dtype.
void prelu_forward(Cpu& cpu, const Tensor& x, const Tensor& slope, const Tensor& y);
void prelu_forward(Cuda& cuda, const Tensor& x, const Tensor& slope, const Tensor& y);

/// dx = dy where x > 0, slope * dy elsewhere. dslope = the sum of x * dy over the elements of the
/// channel with x <= 0, summed in an order that does not depend on the number of threads.
void prelu_backward(Cpu& cpu, const Tensor& x, const Tensor& slope, const Tensor& dy, const Gradient& dx, const Gradient& dslope);
void prelu_backward(Cuda& cuda, const Tensor& x, const Tensor& slope, const Tensor& dy, const Gradient& dx, const Gradient& dslope);

}  // namespace amnet
