// The family of margin losses: what a cosine becomes before the softmax. For sample i with label y,
// cosines c_j = cos a_j and the scale s,
//   z_y = s T(c_y),  z_j = s N(c_j) for j != y.
// T is the rule of the target,
//   T(c) = (cos(m1 a + m2) - m3 + lambda c) / (1 + lambda),
// with a margin of each sample's own where it follows from the norm of its feature; N is that of
// the others. One table of losses in these terms, with their papers, is in docs/losses.md:
//
//   MarginOptions am_softmax{.scale = 30, .margin = 0.35};
//   MarginOptions arcface{.scale = 64, .form = {.angle = 0.5}};
//   MarginOptions curricularface{.scale = 64, .form = {.angle = 0.5, .negatives = NegativeRule::curricular}};
//   MarginOptions adaface{.scale = 64, .margin = 0.4, .form = {.norm_margin = NormMargin::adaface}};
#pragma once

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>
#include <amnet/core/tensor.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace amnet {

/// Which targets have the margin; the others keep T(c) = c. The reference code has it where the
/// cosine is above m3; "easy margins" have it where the angle is below 90 degrees.
enum class MarginRule : unsigned char { always, cos_gt_m, cos_gt_0 };
constexpr std::array<std::string_view, 3> names_of(MarginRule) { return {"always", "cos_gt_m", "cos_gt_0"}; }

/// What cos(phi) becomes for phi = m1 a + m2 above pi, where the cosine itself rises again.
enum class PastPi : unsigned char {
  /// (-1)^k cos(phi) - 2k with k = floor(phi / pi): continuous, and falls for every angle.
  /// SphereFace (arXiv 1704.08063), section 3.2.
  mirrored,
  linear,   ///< c - m2 sin(m2): the code of ArcFace's authors for MXNet, CurricularFace, MagFace
  cosine,   ///< c: FaceX-Zoo; T rises by a step there
  clipped,  ///< cos(most_angle): SphereFace-R v1, OpenSphere, AdaFace
  none      ///< cos(phi): arcface_torch; T rises there
};
constexpr std::array<std::string_view, 5> names_of(PastPi) { return {"mirrored", "linear", "cosine", "clipped", "none"}; }

/// N(c). The threshold of curricular is cos(a_y + m2), a constant in backward, as is t, the running
/// mean of the targets' cosines.
enum class NegativeRule : unsigned char {
  plain,  ///< c
  /// c (t + c) where c > cos(a_y + m2), else c: CurricularFace (arXiv 2004.00288), equation 7
  curricular,
  divided,  ///< cos(a / m1): SphereFace-R v2 (arXiv 2109.05565), whose targets keep T(c) = c
  filtered  ///< 0 where c > filter, else c: arcface_torch's interclass filtering
};
constexpr std::array<std::string_view, 4> names_of(NegativeRule) { return {"plain", "curricular", "divided", "filtered"}; }

/// The derivative of T and N: that of the formula, or 1, as codes have it that compute the margin
/// without gradients (arcface_torch, OpenSphere, CVLface). Under either, what a filter took out has
/// none.
enum class MarginGradient : unsigned char { full, straight_through };
constexpr std::array<std::string_view, 2> names_of(MarginGradient) { return {"full", "straight_through"}; }

/// A margin that follows from the norm n of the sample's feature.
enum class NormMargin : unsigned char {
  none,
  /// m2 = margin_low + (margin_high - margin_low) (b - norm_low) / (norm_high - norm_low) with b =
  /// n within [norm_low, norm_high]; the gradient passes through n. MagFace (arXiv 2103.06627),
  /// section 3.2.
  magface,
  /// m2 = -m g, m3 = m + m g with g = h (b - mean) / (deviation + 0.001) within [-1, 1], b as
  /// above, mean and deviation running; no gradient passes through n. AdaFace (arXiv 2204.00964),
  /// equations 13 to 16.
  adaface
};
constexpr std::array<std::string_view, 3> names_of(NormMargin) { return {"none", "magface", "adaface"}; }

/// What is added to each row's loss, by the norm n of its feature, times `penalty`.
enum class NormPenalty : unsigned char {
  none,
  magface,  ///< b / norm_high^2 + 1 / b, b as above: MagFace, equation 4 of its supplement
  distance  ///< |n - norm_target|: SphereFace-R's soft normalisation
};
constexpr std::array<std::string_view, 3> names_of(NormPenalty) { return {"none", "magface", "distance"}; }

/// Whatever a loss of the family has besides its scale s and its cosine margin m3.
struct MarginForm {
  double multiplier = 1;  ///< m1
  double angle = 0;       ///< m2, radians
  PastPi past_pi = PastPi::mirrored;
  double least_angle = 0, most_angle = 3.14159265358979323846;  ///< of phi, for PastPi::clipped
  /// cosines, of the others too, are taken within +-(1 - cosine_limit)
  double cosine_limit = 0;
  double blend = 0;  ///< lambda
  MarginGradient gradient = MarginGradient::full;
  NegativeRule negatives = NegativeRule::plain;
  double filter = 0;
  NormMargin norm_margin = NormMargin::none;
  double norm_low = 0.001, norm_high = 100;
  double margin_low = 0.45, margin_high = 0.8;  ///< of NormMargin::magface
  double concentration = 0.333;                 ///< h of NormMargin::adaface
  NormPenalty norm_penalty = NormPenalty::none;
  double penalty = 0, norm_target = 0;
  double momentum = 0.01;    ///< the share of the batch in the running statistics; 0 leaves them
  std::int64_t centres = 1;  ///< K: a class has K columns side by side, and the largest counts

  /// Names only what is not usual.
  template <class Fields>
  void fields(Fields& fields) {
    const MarginForm usual;
    fields("multiplier", multiplier, usual.multiplier);
    fields("angle", angle, usual.angle);
    fields("past_pi", past_pi, usual.past_pi);
    fields("least_angle", least_angle, usual.least_angle);
    fields("most_angle", most_angle, usual.most_angle);
    fields("cosine_limit", cosine_limit, usual.cosine_limit);
    fields("blend", blend, usual.blend);
    fields("gradient", gradient, usual.gradient);
    fields("negatives", negatives, usual.negatives);
    fields("filter", filter, usual.filter);
    fields("norm_margin", norm_margin, usual.norm_margin);
    fields("norm_low", norm_low, usual.norm_low);
    fields("norm_high", norm_high, usual.norm_high);
    fields("margin_low", margin_low, usual.margin_low);
    fields("margin_high", margin_high, usual.margin_high);
    fields("concentration", concentration, usual.concentration);
    fields("norm_penalty", norm_penalty, usual.norm_penalty);
    fields("penalty", penalty, usual.penalty);
    fields("norm_target", norm_target, usual.norm_target);
    fields("momentum", momentum, usual.momentum);
    fields("centres", centres, usual.centres);
  }
  friend bool operator==(const MarginForm&, const MarginForm&) = default;

  /// Whether it reads norms that do not scale the cosines.
  bool has_norm_margin() const { return norm_margin != NormMargin::none; }
  /// Whether it keeps a running mean, and a running deviation.
  bool has_mean() const { return has_deviation() || negatives == NegativeRule::curricular; }
  bool has_deviation() const { return norm_margin == NormMargin::adaface; }
};

struct MarginOptions {
  double scale = 1;   ///< s; not used where norms scale the cosines
  double margin = 0;  ///< m3, or m of NormMargin::adaface
  MarginRule rule = MarginRule::always;
  MarginForm form = {};
};

/// Throws UsageError, which begins with `who`, for a form that no loss has: an angle without
/// meaning, limits that cross, rules that exclude each other.
void check_margin(const MarginOptions& options, std::string_view who);

/// Values of a row that forward keeps for backward (src/kernels/margin_row.h).
inline constexpr std::int64_t margin_row_values = 8;

/// What the rows of a batch have besides their cosines.
struct MarginInputs {
  /// (N,1), or undefined: the norms of the features. They take the place of s, unless the margin
  /// follows from them.
  Tensor norms = {};
  /// (1) each, which forward moves and then applies: the running mean of the targets' cosines
  /// (curricular's t) or of the norms, and the running deviation of the norms; undefined where the
  /// form has none
  Tensor mean = {}, deviation = {};
};

}  // namespace amnet
