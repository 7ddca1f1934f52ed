// What stands between an embedding and its loss during training, put together from layers that each exist on their own.
//
//   am-softmax:  features -> l2 normalise -> fully connected, unit rows -> cosines -> softmax cross-entropy(scale, margin)
//   normface:    the same without a margin, the scale learned (Wang et al., arXiv 1704.06369)
//   softmax:     features -> fully connected with bias -> softmax cross-entropy
//
//   Head head = add_head(net, embedding, labels, {.classes = 10516});
//   Plan plan(net, {.batch = 256, .loss = head.loss, .keep = {head.accuracy, embedding}});
#pragma once

#include <amnet/layers/fully_connected.h>
#include <amnet/layers/softmax_cross_entropy.h>
#include <amnet/net/net.h>

#include <optional>
#include <string>

namespace amnet {

enum class LossKind : unsigned char { amsoftmax, softmax, normface };

/// AM-Softmax of arXiv 1801.05599, equation 6; its defaults are the paper's, not the seed's (see facts in docs/numerics.md).
struct HeadOptions {
  LossKind loss = LossKind::amsoftmax;
  std::int64_t classes = 0;
  double scale = 30;                            ///< s; for normface the value that learning starts from
  double margin = 0.35;                         ///< m; only am-softmax has one
  MarginRule margin_rule = MarginRule::always;  ///< the paper's; cos_gt_m is the seed's
  bool feature_norm = true;                     ///< off: cosines are multiplied by the feature's norm, and the margin is annealed
  RowNorm rows = RowNorm::projected;            ///< in_place is the seed's rule
  double epsilon = 1e-12;                       ///< under both square roots
};

struct Head {
  Value loss;      ///< (1)
  Value logits;    ///< (N,classes): cosines without margin and scale; for normface scaled ones, for plain softmax the logits
  Value accuracy;  ///< (1): fraction of samples whose largest logit, without margin, is their label's
};

/// The parameter that holds the class weights (classes, D).
inline constexpr const char* class_weights_name = "fc6.weight";

/// Adds the head that reads `features` (N,D) and `labels` (N) of i64. Throws UsageError for options out of range.
Head add_head(Net& net, Value features, Value labels, const HeadOptions& options);

}  // namespace amnet
