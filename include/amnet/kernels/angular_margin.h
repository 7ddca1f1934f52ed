// An angle added to the target's angle, or one that multiplies it: for the target cosine c = cos a
// of a sample, y = cos(a + m) with m in degrees (hard), or y = cos(m a) (soft); other elements are
// copied. Formulas: LabelSpecificMargin of happynear/caffe-windows, branch experiment
// (layers/label_specific_margin.cpp, .cu); the hard one is that of Deng, Guo, Xue, Zafeiriou,
// "ArcFace" (arXiv 1801.07698), equation 3.
//
//   angular_margin_forward(cpu, {}, cosines, labels, 20, y);   // 20 degrees
//   angular_margin_backward(cpu, {}, cosines, labels, 20, dy, {dx, Write::assign}, {});
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>
#include <amnet/kernels/arithmetic.h>
#include <amnet/kernels/labels.h>

#include <array>
#include <string_view>

namespace amnet {

enum class AngularMarginKind : unsigned char {
  hard,  ///< cos(a + m), m in degrees
  soft   ///< cos(m a)
};
constexpr std::array<std::string_view, 2> names_of(AngularMarginKind) { return {"hard", "soft"}; }

/// With sin a = sqrt(1 - c^2 + 1e-12), hard is y = c cos m - sin a sin m, dy/dc = cos m + c / sin a
/// sin m; soft is dy/dc = m sin(m a) / sin a. exact: cosines beyond +-1 count as +-1.
/// reference_cpu: they give NaN, and soft is computed as hard. reference_gpu: hard takes c from [-1 +
/// 1e-4, 1 - 1e-4], soft sets a itself to pi - 1e-4 where m a is larger than that, and dy/dc is
/// limited to [0, 2].
struct AngularMarginOptions {
  AngularMarginKind kind = AngularMarginKind::hard;
  Arithmetic arithmetic = Arithmetic::exact;
};

/// cosines, y: (N,classes); labels: i64 (N). A margin of 0 leaves all as it is.
void angular_margin_forward(Cpu& cpu, const AngularMarginOptions& options, const Tensor& cosines, const Tensor& labels, double margin,
                            const Tensor& y);

/// dmargin (1): the derivative of the formulas by m, which is exact in every arithmetic.
void angular_margin_backward(Cpu& cpu, const AngularMarginOptions& options, const Tensor& cosines, const Tensor& labels, double margin,
                             const Tensor& dy, const Gradient& dcosines, const Gradient& dmargin);

/// Degrees: the mean angle of the targets and that of all other elements, for cosines of two
/// classes or more.
std::array<double, 2> mean_angles(Cpu& cpu, const Tensor& cosines, const Tensor& labels);

}  // namespace amnet
