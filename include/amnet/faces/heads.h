// The part between an embedding and its loss during training, composed of layers that can also be
// used separately:
//   am-softmax:  features -> l2 normalise -> fully connected, unit rows -> cosines -> softmax cross-entropy(scale, margin)
//   normface:    the same without a margin, the scale learned (Wang et al., arXiv 1704.06369)
//   softmax:     features -> fully connected with bias -> softmax cross-entropy
//
//   Model model = face_network({.depth = 20, .width = 0.25});
//   Head head = add_head(model, {.classes = 902});
//   Plan plan(model.net, {.batch = 32, .loss = head.loss, .keep = {head.accuracy, model.embedding()}});
#pragma once

#include <amnet/layers/fully_connected.h>
#include <amnet/layers/softmax_cross_entropy.h>
#include <amnet/model/model.h>
#include <amnet/net/net.h>

namespace amnet {

enum class LossKind : unsigned char { amsoftmax, softmax, normface };
constexpr std::array<std::string_view, 3> names_of(LossKind) { return {"amsoftmax", "softmax", "normface"}; }

/// AM-Softmax of arXiv 1801.05599, equation 6; its defaults are the paper's, not the reference
/// code's (docs/numerics.md, "Margin rules").
struct HeadOptions {
  LossKind loss = LossKind::amsoftmax;
  std::int64_t classes = 0;
  /// s; for normface the value that learning starts from
  double scale = 30;
  double margin = 0.35;                         ///< m; only am-softmax has one
  MarginRule margin_rule = MarginRule::always;  ///< the paper's; cos_gt_m is the reference code's
  /// off: cosines are multiplied by the feature's norm, and the margin is annealed
  bool feature_norm = true;
  RowNorm rows = RowNorm::projected;  ///< in_place is the reference code's rule
  double epsilon = 1e-12;             ///< under both square roots
};

struct Head {
  Value loss;  ///< (1)
  /// (N,classes): cosines without margin and scale; for normface scaled ones, for plain softmax the
  /// logits
  Value logits;
  /// (1): fraction of samples whose largest logit, without margin, is their label's
  Value accuracy;
};

/// Adds the head that reads `features` (N,D) and `labels` (N) of i64. Throws UsageError for options
/// out of range.
Head add_head(Net& net, Value features, Value labels, const HeadOptions& options);
/// The same after a model's embedding, with its own input "labels", and sets the roles of these
/// values.
Head add_head(Model& model, const HeadOptions& options);

}  // namespace amnet
