#include "axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace amnet {
namespace {

double warped(double value, Scale scale) { return scale == Scale::log ? std::log10(value) : value; }

/// 1, 2 or 5 times a power of ten, so that about `wanted` steps fit into `range`.
double round_step(double range, int wanted) {
  const double rough = range / wanted;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough * 0.7) return factor * power;
  }
  return 10 * power;
}

std::string superscript(int number) {
  constexpr std::array<std::string_view, 10> digits = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  std::string text = number < 0 ? "⁻" : "";
  for (const char c : std::to_string(std::abs(number))) text += digits[static_cast<std::size_t>(c - '0')];
  return text;
}

std::string log_label(double value) {
  const int exponent = static_cast<int>(std::floor(std::log10(value) + 1e-9));
  if (exponent >= -3 && exponent <= 5) return number_label(value, std::pow(10, exponent));
  const double factor = std::round(value / std::pow(10, exponent));
  return (factor == 1 ? "" : fmt::format("{:g}·", factor)) + "10" + superscript(exponent);
}

}  // namespace

bool drawable(double value, Scale scale) { return std::abs(value) < 1e100 && (scale == Scale::linear || value > 1e-100); }

std::string number_label(double value, double step) {
  if (std::abs(value) < step * 1e-6) return "0";
  if (std::abs(value) >= 1e7 || step < 1e-6) return fmt::format("{:.6g}", value);
  const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
  std::string digits = fmt::format("{:.{}f}", std::abs(value), decimals);
  const std::size_t point = std::min(digits.find('.'), digits.size());
  for (std::size_t i = point; i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return (value < 0 ? "−" : "") + digits;
}

Ruler::Ruler(const Axis& axis, const std::vector<double>& values, int wanted, bool padded) : scale_(axis.scale) {
  double low = 1e300, high = -1e300;
  for (const double value : values) {
    if (!drawable(value, scale_)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (low > high) {
    low = scale_ == Scale::log ? 0.1 : 0;
    high = 1;
  }
  const bool low_given = drawable(axis.low, scale_), high_given = drawable(axis.high, scale_);
  if (low_given) low = axis.low;
  if (high_given) high = axis.high;
  low_ = warped(low, scale_);
  high_ = warped(high, scale_);
  // a range below this would be rounding noise
  const double least = std::max({std::abs(low_), std::abs(high_), 1e-30}) * 1e-9;
  if (high_ - low_ < least) {
    const double middle = low_;
    const double half = scale_ == Scale::log ? 0.5 : std::max(std::abs(middle) * 0.1, middle == 0 ? 0.5 : 1e-30);
    low_ = middle - (low_given ? 0 : half);
    high_ = middle + half;
  } else if (padded) {
    const double margin = 0.05 * (high_ - low_);
    // no room below zero for values that are never negative
    const bool stops_at_zero = scale_ == Scale::linear && low_ >= 0 && low_ <= margin;
    if (!low_given) low_ = stops_at_zero ? 0 : low_ - margin;
    if (!high_given) high_ += margin;
  }
  scale_ == Scale::log ? log_ticks(wanted) : linear_ticks(wanted);
}

double Ruler::place(double value) const { return (warped(value, scale_) - low_) / (high_ - low_); }

void Ruler::linear_ticks(int wanted) {
  const double step = round_step(high_ - low_, wanted);
  const double slack = 1e-6 * (high_ - low_);
  const double first = std::ceil((low_ - slack) / step);
  for (int i = 0; i < 50 && (first + i) * step <= high_ + slack; ++i) {
    const double at = (first + i) * step;
    ticks_.push_back({at, number_label(at, step)});
  }
}

void Ruler::log_ticks(int wanted) {
  const double slack = 1e-6 * (high_ - low_);
  const double decades = high_ - low_;
  // decades from label to label
  const int every = std::max(1, static_cast<int>(std::ceil(decades / std::max(2, wanted))));
  const auto shown = [&](double at) { return std::log10(at) >= low_ - slack && std::log10(at) <= high_ + slack; };
  for (int exponent = static_cast<int>(std::floor(low_)) - 1; exponent <= static_cast<int>(std::ceil(high_)); ++exponent) {
    const double power = std::pow(10, exponent);
    if (shown(power)) ticks_.push_back({power, exponent % every == 0 ? log_label(power) : ""});
    if (decades > 4) continue;
    for (int factor = 2; factor <= 9; ++factor) {
      const bool labelled = decades <= 2 && (factor == 2 || factor == 5);
      if (shown(factor * power)) ticks_.push_back({factor * power, labelled ? log_label(factor * power) : ""});
    }
  }
  const auto labels = std::count_if(ticks_.begin(), ticks_.end(), [](const Tick& tick) { return !tick.label.empty(); });
  if (labels >= 2) return;
  // Less than one step of 1, 2, 5: even steps are easier to read.
  ticks_.clear();
  const double low = std::pow(10, low_), high = std::pow(10, high_);
  const double step = round_step(high - low, wanted);
  for (double at = std::ceil(low / step) * step; at <= high * (1 + 1e-9) && ticks_.size() < 50; at += step) {
    ticks_.push_back({at, number_label(at, step)});
  }
}

}  // namespace amnet
