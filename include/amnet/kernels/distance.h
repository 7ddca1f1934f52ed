// The distance of every row to every centre: y(n,o) = sum over i of (x(n,i) - w(o,i))^2, or of
// |x(n,i) - w(o,i)|. Formulas: InnerDistance of happynear/caffe-windows (layers/inner_distance_layer.cpp).
//
//   distance_forward(cpu, DistanceKind::l2, x, centres, y);   // (N,I), (O,I) to (N,O)
//   distance_backward(cpu, {}, x, centres, {}, dy, {dx, Write::assign}, {dw, Write::assign});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>
#include <amnet/kernels/labels.h>

#include <array>
#include <string_view>

namespace amnet {

enum class DistanceKind : unsigned char {
  l2,  ///< squared Euclidean
  l1   ///< the sum of absolute differences
};
constexpr std::array<std::string_view, 2> names_of(DistanceKind) { return {"l2", "l1"}; }

/// x: (N,I); centres: (O,I); y: (N,O).
void distance_forward(Cpu& cpu, DistanceKind kind, const Tensor& x, const Tensor& centres, const Tensor& y);

struct DistanceGradientOptions {
  DistanceKind kind = DistanceKind::l2;
  /// The reference code's slip in l1: its macro sign(z) has no outer brackets, so that g sign(z) is
  /// g [0 < z] - [z < 0].
  bool reference = false;
};

/// dx(n) = sum over o of dy(n,o) 2 (x(n) - w(o)), dw(o) = sum over n of dy(n,o) 2 (w(o) - x(n));
/// for l1 with the sign in the place of the doubled difference. labels: i64 (N), or undefined;
/// where given, dw(o) has the samples of label o alone.
void distance_backward(Cpu& cpu, const DistanceGradientOptions& options, const Tensor& x, const Tensor& centres, const Tensor& labels,
                       const Tensor& dy, const Gradient& dx, const Gradient& dw);

}  // namespace amnet
