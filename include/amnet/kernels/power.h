// Power of a linear function: y = (shift + scale x)^power, Caffe's Power layer.
//
//   const PowerFunction square_of_half{.power = 2, .scale = 0.5};
//   power_forward(cpu, square_of_half, x, y);
//   power_backward(cpu, square_of_half, x, dy, {dx, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

struct PowerFunction {
  double power = 1, scale = 1, shift = 0;

  /// Whether the derivative depends on x.
  bool is_curved() const { return power != 0 && power != 1 && scale != 0; }
};

/// x, y: of one shape and floating-point dtype. The power 0 is 1 for every x, also where shift +
/// scale x is 0; a negative base has only whole powers, others are NaN.
void power_forward(Cpu& cpu, const PowerFunction& function, const Tensor& x, const Tensor& y);

/// dx = dy power scale (shift + scale x)^(power - 1); 0 for a power or a scale of 0. x may be
/// undefined where the function is not curved. The reference code (layers/power_layer.cpp) computes
/// y / (shift + scale x) for the last factor, which is NaN where that base is 0; this is not.
void power_backward(Cpu& cpu, const PowerFunction& function, const Tensor& x, const Tensor& dy, const Gradient& dx);

}  // namespace amnet
