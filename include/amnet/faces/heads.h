// The part between an embedding and its loss during training, composed of layers that can also be
// used separately:
//   cosine losses:  features -> l2 normalise -> fully connected, unit rows -> cosines -> cross-entropy with the loss's margin
//   softmax:        features -> fully connected with bias -> softmax cross-entropy
// docs/losses.md has the losses with their formulas, papers and parameters.
//
//   Model model = face_network({.depth = 20, .width = 0.25});
//   Head head = add_head(model, {.loss = LossKind::arcface, .classes = 902, .margin = 0.4});
//   Plan plan(model.net, {.batch = 32, .loss = head.loss, .keep = {head.accuracy, model.embedding()}});
#pragma once

#include <amnet/layers/fully_connected.h>
#include <amnet/layers/softmax_cross_entropy.h>
#include <amnet/model/model.h>
#include <amnet/net/net.h>

#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace amnet {

enum class LossKind : unsigned char {
  amsoftmax,       ///< additive margin on the cosine (arXiv 1801.05599); CosFace (arXiv 1801.09414)
  softmax,         ///< plain, with bias
  normface,        ///< cosines times one scale, without a margin (arXiv 1704.06369)
  arcface,         ///< additive angle (arXiv 1801.07698), with several centres too (ECCV 2020)
  combined,        ///< cos(m1 a + m2) - m3 (ArcFace, section 2.2)
  sphereface,      ///< A-Softmax: multiplied angle, blended in (arXiv 1704.08063)
  sphereface_r,    ///< its revision, v1 or v2 (arXiv 2109.05565)
  sphereface2,     ///< a binary loss for each class (arXiv 2108.01513)
  curricularface,  ///< hard negatives weighted as training goes on (arXiv 2004.00288)
  magface,         ///< the angle follows from the feature's norm (arXiv 2103.06627)
  adaface          ///< the margin follows from the norm's place in the batch (arXiv 2204.00964)
};
constexpr std::array<std::string_view, 11> names_of(LossKind) {
  return {"amsoftmax",    "softmax",     "normface",       "arcface", "combined", "sphereface",
          "sphereface_r", "sphereface2", "curricularface", "magface", "adaface"};
}

/// Where SphereFace-R has its multiplier: v1 on the target's angle, up to pi, v2 on the others'.
enum class SphereFaceR : unsigned char { v1, v2 };
constexpr std::array<std::string_view, 2> names_of(SphereFaceR) { return {"v1", "v2"}; }

/// The gradient of the margin: of the formula; 1, as codes have it that compute the margin without
/// gradients; or, of sphereface alone, the reference code's rescaled one (layers/sphere_product.h).
enum class HeadGradient : unsigned char { full, straight_through, reference };
constexpr std::array<std::string_view, 3> names_of(HeadGradient) { return {"full", "straight_through", "reference"}; }

/// A loss with its parameters. What is not set has the loss's own value (`completed`); what another
/// loss has is refused by name.
struct HeadOptions {
  LossKind loss = LossKind::amsoftmax;
  std::int64_t classes = 0;
  /// s; for normface the value that learning starts from
  std::optional<double> scale = {};
  /// m: of amsoftmax and combined (m3) and sphereface2 subtracted from the cosine, of arcface and
  /// curricularface added to the angle (radians), of adaface in both
  std::optional<double> margin = {};
  std::optional<double> angle = {};            ///< m2 of combined, radians
  std::optional<double> multiplier = {};       ///< m1 of combined, sphereface and sphereface_r
  std::optional<MarginRule> margin_rule = {};  ///< which targets have the margin
  std::optional<PastPi> past_pi = {};          ///< how the target's logit goes on beyond pi
  std::optional<HeadGradient> gradient = {};   ///< of the margin
  std::optional<std::int64_t> centres = {};    ///< K of sub-centre losses
  std::optional<bool> learned_scale = {};      ///< of normface
  std::optional<SphereFaceR> version = {};     ///< of sphereface_r
  std::optional<double> anneal_base = {};      ///< of sphereface: lambda = max(least,
  /// base / (1 + gamma t)); without feature_norm what the margin grows by in a step, up to its full
  /// size
  std::optional<double> anneal_gamma = {};
  std::optional<double> anneal_least = {};
  std::optional<double> norm_low = {};  ///< norms within [low, high] (magface, adaface)
  std::optional<double> norm_high = {};
  std::optional<double> margin_low = {};  ///< radians, at these norms (magface)
  std::optional<double> margin_high = {};
  std::optional<double> norm_penalty = {};         ///< lambda_g of magface
  std::optional<double> concentration = {};        ///< h of adaface
  std::optional<double> statistics_momentum = {};  ///< share of the batch in running statistics
  std::optional<double> sharpness = {};            ///< t of sphereface2
  std::optional<double> balance = {};              ///< alpha of sphereface2
  /// multiplies the loss of sphereface_r, sphereface2
  std::optional<double> loss_weight = {};
  /// amsoftmax only: off, cosines are multiplied by the feature's norm, and the margin is annealed
  bool feature_norm = true;
  RowNorm rows = RowNorm::projected;  ///< in_place is the reference code's rule
  double epsilon = 1e-12;             ///< under both square roots

  friend bool operator==(const HeadOptions&, const HeadOptions&) = default;
};

/// A parameter of losses by its name in HeadOptions, and which losses have it.
struct LossParameter {
  std::string_view name;  ///< "margin"
  std::vector<LossKind> losses;
};
std::span<const LossParameter> loss_parameters();

/// The options with the loss's own value for each of its parameters that is not set. Throws
/// UsageError for a value out of range, and for a parameter that the loss does not have.
HeadOptions completed(const HeadOptions& options);

struct Head {
  Value loss;  ///< (1)
  /// (N,K classes): cosines without margin and scale; for normface scaled ones, for plain softmax
  /// the logits
  Value logits;
  /// (1): fraction of samples whose largest logit, without margin, is their label's
  Value accuracy;
};

/// Adds the head that reads `features` (N,D) and `labels` (N) of i64. Throws UsageError as
/// `completed` does.
Head add_head(Net& net, Value features, Value labels, const HeadOptions& options);
/// The same after a model's embedding, with its own input "labels", and sets the roles of these
/// values.
Head add_head(Model& model, const HeadOptions& options);

}  // namespace amnet
