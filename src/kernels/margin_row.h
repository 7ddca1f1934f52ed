// The rules of amnet/kernels/margin.h for one row, in every backend: what the target's cosine and
// the feature's norm become, and their derivatives, computed in double.
#pragma once

#include "core/host_device.h"

#include <amnet/kernels/margin.h>

#include <cmath>

namespace amnet {

/// What forward finds of a row, and backward needs besides the row's cosines.
template <class T>
struct MarginRow {
  T largest, sum;  ///< the largest z, and the sum of exp(z - largest)
  /// that sum without the target: 1 - p_y = others / sum, exact for an easy row too
  T others;
  T target, slope;  ///< T(c) and dT/dc
  T by_norm;        ///< dT/dn
  T threshold;      ///< of the negatives: cos(a_y + m2), or the filter
  T mean;           ///< t of curricular
};
static_assert(sizeof(MarginRow<float>) == sizeof(float) * margin_row_values);

template <class T>
AMNET_HOST_DEVICE T within(T value, T low, T high) {
  return value < low ? low : (value > high ? high : value);
}

/// Of sines that slopes are divided by: the square root of the rounding of T, since no cosine of T
/// tells smaller angles from 0.
template <class T>
AMNET_HOST_DEVICE constexpr T smallest_sine() {
  return sizeof(T) == 4 ? T(3.5e-4) : T(1.5e-8);
}

/// The running statistics as one batch applies them.
struct MarginStatistics {
  double mean = 0, deviation = 0;
};

/// A running statistic after a batch.
AMNET_HOST_DEVICE inline double moved_statistic(double before, double of_batch, double momentum) {
  return momentum * of_batch + (1 - momentum) * before;
}

/// T of one target. Angles and their sines are exact to the rounding of c: a = atan2(sin a, c),
/// with sin a = sqrt((1 - c) (1 + c)).
class TargetRule {
 public:
  /// `smallest`: smallest_sine of the type that c comes from.
  AMNET_HOST_DEVICE TargetRule(const MarginOptions& options, const MarginStatistics& statistics, double c, double norm, double smallest)
      : form_(options.form), angle_(options.form.angle), margin_(options.margin) {
    const double limit = 1 - form_.cosine_limit;
    c_ = within(c, -limit, limit);
    is_limited_ = c_ != c && form_.cosine_limit > 0;
    sine_ = std::sqrt((1 - c_) * (1 + c_));
    divisor_ = sine_ > smallest ? sine_ : smallest;
    take_margin_of(norm, statistics);
    phi_ = form_.multiplier * std::atan2(sine_, c_) + angle_;
    set(options.rule);
  }

  AMNET_HOST_DEVICE double value() const { return (value_ + form_.blend * c_) / (1 + form_.blend); }
  AMNET_HOST_DEVICE double by_cosine() const {
    if (form_.gradient == MarginGradient::straight_through) return 1;
    return is_limited_ ? 0 : (slope_ + form_.blend) / (1 + form_.blend);
  }
  AMNET_HOST_DEVICE double by_norm() const {
    return form_.gradient == MarginGradient::straight_through ? 0 : by_angle_ * angle_by_norm_ / (1 + form_.blend);
  }
  /// cos(a + m2), whatever becomes of it beyond pi.
  AMNET_HOST_DEVICE double threshold() const {
    return form_.negatives == NegativeRule::filtered ? form_.filter : c_ * std::cos(angle_) - sine_ * std::sin(angle_);
  }

 private:
  AMNET_HOST_DEVICE void take_margin_of(double norm, const MarginStatistics& statistics) {
    if (form_.norm_margin == NormMargin::none) return;
    const double bounded = within(norm, form_.norm_low, form_.norm_high);
    if (form_.norm_margin == NormMargin::magface) {
      const double rate = (form_.margin_high - form_.margin_low) / (form_.norm_high - form_.norm_low);
      angle_ = form_.margin_low + rate * (bounded - form_.norm_low);
      angle_by_norm_ = bounded == norm ? rate : 0;
    } else {
      const double quality = within((bounded - statistics.mean) / (statistics.deviation + 1e-3) * form_.concentration, -1.0, 1.0);
      angle_ = -margin_ * quality;
      margin_ += margin_ * quality;
    }
  }

  /// value_, slope_ and by_angle_ = d value / d m2.
  AMNET_HOST_DEVICE void set(MarginRule rule) {
    constexpr double half_turn = 3.14159265358979323846;
    const bool applies = rule == MarginRule::always || c_ > (rule == MarginRule::cos_gt_m ? margin_ : 0);
    if (!applies || form_.negatives == NegativeRule::divided) return turn(c_, 1, 0);
    const double sine = std::sin(phi_), slope = form_.multiplier * sine / divisor_;
    switch (form_.past_pi) {
      case PastPi::mirrored: {
        const double passed = std::floor(phi_ / half_turn), sign = std::floor(passed / 2) * 2 == passed ? 1 : -1;
        turn(sign * std::cos(phi_) - 2 * passed - margin_, sign * slope, -sign * sine);
        return;
      }
      case PastPi::linear:
        if (phi_ > half_turn) return turn(c_ - angle_ * std::sin(angle_) - margin_, 1, -std::sin(angle_) - angle_ * std::cos(angle_));
        break;
      case PastPi::cosine:
        if (phi_ > half_turn) return turn(c_ - margin_, 1, 0);
        break;
      case PastPi::clipped:
        if (phi_ < form_.least_angle || phi_ > form_.most_angle)
          return turn(std::cos(within(phi_, form_.least_angle, form_.most_angle)) - margin_, 0, 0);
        break;
      case PastPi::none: break;
    }
    turn(std::cos(phi_) - margin_, slope, -sine);
  }
  AMNET_HOST_DEVICE void turn(double value, double slope, double by_angle) {
    value_ = value;
    slope_ = slope;
    by_angle_ = by_angle;
  }

  const MarginForm& form_;
  double angle_, margin_, angle_by_norm_ = 0;
  double c_ = 0, sine_ = 0, divisor_ = 0, phi_ = 0;
  bool is_limited_ = false;
  double value_ = 0, slope_ = 0, by_angle_ = 0;
};

/// Sets what the target's cosine and the norm decide; largest and sum are found later.
template <class T>
AMNET_HOST_DEVICE void set_margin(MarginRow<T>& row, const MarginOptions& options, const MarginStatistics& statistics, T c, T norm) {
  const MarginForm& form = options.form;
  row.by_norm = row.threshold = 0;
  row.mean = static_cast<T>(statistics.mean);
  const bool is_additive = form.angle == 0 && form.multiplier == 1 && form.norm_margin == NormMargin::none && form.cosine_limit == 0 &&
                           form.blend == 0 && form.past_pi == PastPi::mirrored;
  if (is_additive) {  // in T, so that a loss and a layer of its own for the margin agree to the bit
    const T margin = static_cast<T>(options.margin);
    const bool applies = options.rule == MarginRule::always || c > (options.rule == MarginRule::cos_gt_m ? margin : T(0));
    row.target = applies ? c - margin : c;
    row.slope = 1;
    row.threshold = form.negatives == NegativeRule::filtered ? static_cast<T>(form.filter) : c;
    return;
  }
  const TargetRule rule(options, statistics, static_cast<double>(c), static_cast<double>(norm), static_cast<double>(smallest_sine<T>()));
  row.target = static_cast<T>(rule.value());
  row.slope = static_cast<T>(rule.by_cosine());
  row.by_norm = static_cast<T>(rule.by_norm());
  row.threshold = static_cast<T>(rule.threshold());
}

/// N of one row, as a function object of each kind, so that a loop over a row has no branch on it.
template <class T>
struct PlainNegative {
  AMNET_HOST_DEVICE static PlainNegative of(const MarginForm&, const MarginRow<T>&) { return {}; }
  AMNET_HOST_DEVICE T value(T c) const { return c; }
  AMNET_HOST_DEVICE T slope(T) const { return 1; }
};
template <class T>
struct CurricularNegative {
  T threshold, t;
  bool is_straight;
  AMNET_HOST_DEVICE static CurricularNegative of(const MarginForm& form, const MarginRow<T>& row) {
    return {row.threshold, row.mean, form.gradient == MarginGradient::straight_through};
  }
  AMNET_HOST_DEVICE T value(T c) const { return c > threshold ? c * (t + c) : c; }
  AMNET_HOST_DEVICE T slope(T c) const { return c > threshold && !is_straight ? 2 * c + t : T(1); }
};
template <class T>
struct FilteredNegative {
  T threshold;
  AMNET_HOST_DEVICE static FilteredNegative of(const MarginForm&, const MarginRow<T>& row) { return {row.threshold}; }
  AMNET_HOST_DEVICE T value(T c) const { return c > threshold ? T(0) : c; }
  AMNET_HOST_DEVICE T slope(T c) const { return c > threshold ? T(0) : T(1); }
};
template <class T>
struct LimitedNegative {
  T limit;
  bool is_straight;
  AMNET_HOST_DEVICE static LimitedNegative of(const MarginForm& form, const MarginRow<T>&) {
    return {static_cast<T>(1 - form.cosine_limit), form.gradient == MarginGradient::straight_through};
  }
  AMNET_HOST_DEVICE T value(T c) const { return within(c, -limit, limit); }
  AMNET_HOST_DEVICE T slope(T c) const { return is_straight || (c >= -limit && c <= limit) ? T(1) : T(0); }
};
template <class T>
struct DividedNegative {
  T limit, divisor;
  bool is_straight;
  AMNET_HOST_DEVICE static DividedNegative of(const MarginForm& form, const MarginRow<T>&) {
    return {static_cast<T>(1 - form.cosine_limit), static_cast<T>(form.multiplier), form.gradient == MarginGradient::straight_through};
  }
  AMNET_HOST_DEVICE T value(T c) const {
    const T bounded = within(c, -limit, limit);
    return std::cos(std::atan2(std::sqrt((1 - bounded) * (1 + bounded)), bounded) / divisor);
  }
  AMNET_HOST_DEVICE T slope(T c) const {
    if (is_straight) return 1;
    if (c < -limit || c > limit) return 0;
    constexpr T least = smallest_sine<T>();
    const T sine = std::sqrt((1 - c) * (1 + c));
    // the quotient of the sines is 1 / m1 there
    if (sine < least && c > 0) return 1 / (divisor * divisor);
    return std::sin(std::atan2(sine, c) / divisor) / (divisor * (sine > least ? sine : least));
  }
};

/// Calls body.operator()<Rule>() with the type of the form's N, whose Rule::of makes that of a row.
template <class T, class Body>
void with_negative_rule(const MarginForm& form, Body&& body) {
  switch (form.negatives) {
    case NegativeRule::curricular: body.template operator()<CurricularNegative<T>>(); return;
    case NegativeRule::filtered: body.template operator()<FilteredNegative<T>>(); return;
    case NegativeRule::divided: body.template operator()<DividedNegative<T>>(); return;
    case NegativeRule::plain: break;
  }
  if (form.cosine_limit > 0) {
    body.template operator()<LimitedNegative<T>>();
  } else {
    body.template operator()<PlainNegative<T>>();
  }
}

/// What a norm adds to its row's loss, and its derivative.
struct NormTerm {
  double value = 0, slope = 0;

  AMNET_HOST_DEVICE static NormTerm of(const MarginForm& form, double norm) {
    if (form.norm_penalty == NormPenalty::magface) {
      const double bounded = within(norm, form.norm_low, form.norm_high), square = form.norm_high * form.norm_high;
      return {.value = form.penalty * (bounded / square + 1 / bounded),
              .slope = bounded == norm ? form.penalty * (1 / square - 1 / (bounded * bounded)) : 0};
    }
    if (form.norm_penalty == NormPenalty::distance) {
      const double beyond = norm - form.norm_target;
      return {.value = form.penalty * std::fabs(beyond), .slope = beyond > 0 ? form.penalty : (beyond < 0 ? -form.penalty : 0)};
    }
    return {};
  }
};

}  // namespace amnet
