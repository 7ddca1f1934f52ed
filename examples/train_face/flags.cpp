#include "flags.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace {

// The only table of fields and flags. A field that begins with another field's name
// (`.input.order`) has its own row.
constexpr std::array<std::pair<std::string_view, std::string_view>, 94> flags = {{
    {".accumulate", "--accumulate"},
    {".augment", "--augment"},
    {".batch", "--batch"},
    {".cache", "--cache"},
    {".caffe.net", "--net"},
    {".caffe.snapshot", "--snapshot"},
    {".caffe.solver", "--solver"},
    {".caffe.test_list", "--test-list"},
    {".caffe.weights", "--weights"},
    {".checkpoint_every", "--checkpoint-every"},
    {".classes", "--classes"},
    {".device", "--device"},
    {".epochs", "--epochs"},
    {".exclude", "--exclude"},
    {".factor", "--factor"},
    {".freeze", "--freeze"},
    {".head.angle", "--angle"},
    {".head.anneal_base", "--anneal-base"},
    {".head.anneal_gamma", "--anneal-gamma"},
    {".head.anneal_least", "--anneal-least"},
    {".head.balance", "--balance"},
    {".head.centres", "--centres"},
    {".head.concentration", "--concentration"},
    {".head.feature_norm", "--feature-norm"},
    {".head.gradient", "--margin-gradient"},
    {".head.learned_scale", "--learned-scale"},
    {".head.loss", "--loss"},
    {".head.loss_weight", "--loss-weight"},
    {".head.margin", "--margin"},
    {".head.margin_high", "--margin-high"},
    {".head.margin_low", "--margin-low"},
    {".head.margin_rule", "--margin-rule"},
    {".head.multiplier", "--multiplier"},
    {".head.norm_high", "--norm-high"},
    {".head.norm_low", "--norm-low"},
    {".head.norm_penalty", "--norm-penalty"},
    {".head.past_pi", "--past-pi"},
    {".head.rows", "--weight-norm"},
    {".head.scale", "--scale"},
    {".head.sharpness", "--sharpness"},
    {".head.statistics_momentum", "--statistics-momentum"},
    {".head.version", "--sphereface-r"},
    {".in", "--in"},
    {".init_from", "--init-from"},
    {".input", "--input"},
    {".input.mean", "--mean"},
    {".input.order", "--channel-order"},
    {".input.scale", "--pixel-scale"},
    {".iterations", "--iterations"},
    {".keep_checkpoints", "--keep-checkpoints"},
    {".landmarks", "--landmarks"},
    {".learning_rate", "--lr"},
    {".least_eyes", "--least-eyes"},
    {".log_every", "--log-every"},
    {".lr_gamma", "--lr-gamma"},
    {".lr_least", "--lr-least"},
    {".lr_mult", "--lr-mult"},
    {".lr_power", "--lr-power"},
    {".lr_step_size", "--lr-step-size"},
    {".lr_steps", "--lr-steps"},
    {".min_face", "--min-face"},
    {".mirror", "--mirror"},
    {".most_misfit", "--most-misfit"},
    {".mtcnn", "--mtcnn"},
    {".network", "--depth, --width and --embedding"},
    {".network.depth", "--depth"},
    {".network.embedding", "--embedding"},
    {".network.width", "--width"},
    {".out", "--out"},
    {".pack", "--pack"},
    {".protocol", "--protocol"},
    {".quality", "--quality"},
    {".relabel", "--relabel"},
    {".resume", "--resume"},
    {".root", "--root"},
    {".sampling", "--sampling"},
    {".schedule", "--schedule"},
    {".seed", "--seed"},
    {".solver.beta2", "--beta2"},
    {".solver.clip_norm", "--clip-norm"},
    {".solver.epsilon", "--epsilon"},
    {".solver.method", "--method"},
    {".solver.momentum", "--momentum"},
    {".solver.regularization", "--regularization"},
    {".solver.weight_decay", "--weight-decay"},
    {".threads", "--threads"},
    {".thresholds", "--thresholds"},
    {".train_list", "--train-list"},
    {".val_every", "--val-every"},
    {".val_pack", "--val-pack"},
    {".val_pairs", "--val-pairs"},
    {".val_root", "--val-root"},
    {".warm_up", "--warm-up"},
    {".workers", "--workers"},
}};
static_assert(std::ranges::is_sorted(flags));

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// The field at the beginning of a text: ".input.mean" of ".input.mean, and"; at most "." where
// there is none.
std::string_view field_of(std::string_view text) {
  std::size_t end = 1;
  while (end < text.size() && (is_word(text[end]) || (text[end] == '.' && end + 1 < text.size() && is_word(text[end + 1])))) ++end;
  return text.substr(0, end);
}

}  // namespace

std::string with_flags(std::string_view text) {
  std::string told;
  for (std::size_t at = 0; at < text.size();) {
    // A dot inside a path or a number does not begin a field.
    const bool begins = text[at] == '.' && (at == 0 || std::string_view(" (`'\"").find(text[at - 1]) != std::string_view::npos);
    const std::string_view field = begins ? field_of(text.substr(at)) : std::string_view();
    const auto known = std::ranges::find(flags, field, &std::pair<std::string_view, std::string_view>::first);
    if (known != flags.end()) {
      told += known->second;
      at += field.size();
    } else {
      told += text[at++];
    }
  }
  return told;
}
