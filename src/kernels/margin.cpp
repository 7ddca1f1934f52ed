#include <amnet/kernels/binary_cross_entropy.h>
#include <amnet/kernels/margin.h>

#include <amnet/core/error.h>

#include <cmath>
#include <numbers>

namespace amnet {
namespace {

void check_form(const MarginForm& form, std::string_view who) {
  constexpr double half_turn = std::numbers::pi;
  require(std::isfinite(form.multiplier) && form.multiplier > 0 && form.multiplier <= 100,
          "[{}] expected a multiplier in (0, 100] but got {}.", who, form.multiplier);
  require(std::isfinite(form.angle) && std::abs(form.angle) <= half_turn, "[{}] expected an angle from -pi to pi but got {}.", who,
          form.angle);
  require(form.least_angle >= 0 && form.least_angle < form.most_angle && form.most_angle <= half_turn,
          "[{}] expected 0 <= least_angle < most_angle <= pi but got {} and {}.", who, form.least_angle, form.most_angle);
  require(form.cosine_limit >= 0 && form.cosine_limit < 1, "[{}] expected a cosine_limit in [0, 1) but got {}.", who, form.cosine_limit);
  require(std::isfinite(form.blend) && form.blend >= 0, "[{}] expected a blend >= 0 but got {}.", who, form.blend);
  require(std::isfinite(form.filter), "[{}] expected a finite filter but got {}.", who, form.filter);
  require(form.norm_low > 0 && form.norm_low < form.norm_high && std::isfinite(form.norm_high),
          "[{}] expected 0 < norm_low < norm_high but got {} and {}.", who, form.norm_low, form.norm_high);
  require(form.margin_low >= 0 && form.margin_low <= form.margin_high && form.margin_high <= half_turn,
          "[{}] expected 0 <= margin_low <= margin_high <= pi but got {} and {}.", who, form.margin_low, form.margin_high);
  require(std::isfinite(form.concentration) && form.concentration >= 0, "[{}] expected a concentration >= 0 but got {}.", who,
          form.concentration);
  require(std::isfinite(form.penalty) && form.penalty >= 0, "[{}] expected a penalty >= 0 but got {}.", who, form.penalty);
  require(std::isfinite(form.norm_target), "[{}] expected a finite norm_target but got {}.", who, form.norm_target);
  require(form.momentum >= 0 && form.momentum <= 1, "[{}] expected a momentum from 0 to 1 but got {}.", who, form.momentum);
  require(form.centres >= 1 && form.centres <= 1000, "[{}] expected 1 to 1000 centres but got {}.", who, form.centres);
  require(form.norm_margin == NormMargin::none || form.angle == 0, "[{}] the angle follows from the norm by {}, but one of {} was given.",
          who, name_of(form.norm_margin), form.angle);
  require(!form.has_deviation() || form.negatives != NegativeRule::curricular,
          "[{}] expected a margin by norm or curricular negatives but got both.", who);
}

}  // namespace

void check_margin(const MarginOptions& options, std::string_view who) {
  require(std::isfinite(options.scale) && std::isfinite(options.margin), "[{}] expected a finite scale and margin but got {} and {}.", who,
          options.scale, options.margin);
  check_form(options.form, who);
}

void check_binary(const BinaryOptions& options, std::string_view who) {
  require(std::isfinite(options.scale) && options.scale > 0, "[{}] expected a scale > 0 but got {}.", who, options.scale);
  require(std::isfinite(options.margin), "[{}] expected a finite margin but got {}.", who, options.margin);
  require(std::isfinite(options.sharpness) && options.sharpness > 0, "[{}] expected a sharpness > 0 but got {}.", who, options.sharpness);
  require(options.balance > 0 && options.balance < 1, "[{}] expected a balance in (0, 1) but got {}.", who, options.balance);
  require(std::isfinite(options.factor), "[{}] expected a finite factor but got {}.", who, options.factor);
  const MarginForm& form = options.form;
  require(form.norm_margin == NormMargin::none && form.norm_penalty == NormPenalty::none && form.negatives != NegativeRule::curricular,
          "[{}] margins and penalties by norm, and curricular negatives, are not for this loss.", who);
  check_form(form, who);
}

}  // namespace amnet
