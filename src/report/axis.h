// From values to places: the range an axis shows, its ticks and their labels.
#pragma once

#include <amnet/report/svg.h>

#include <string>
#include <vector>

namespace amnet {

/// Finite, and small enough that differences are finite too; on a log axis also above zero.
bool drawable(double value, Scale scale);

struct Tick {
  double at = 0;
  std::string label;  // empty: a grid line only
};

/// An axis fitted to its values: maps them onto [0, 1] and knows its ticks.
class Ruler {
 public:
  /// `values` are all that may be shown; the ends that `axis` gives take precedence. About `wanted`
  /// labelled ticks.
  Ruler(const Axis& axis, const std::vector<double>& values, int wanted, bool padded);

  double place(double value) const;  // 0 at the low end, 1 at the high end, outside beyond them
  const std::vector<Tick>& ticks() const { return ticks_; }
  double low() const { return low_; }
  double high() const { return high_; }

 private:
  void linear_ticks(int wanted);
  void log_ticks(int wanted);

  Scale scale_;
  double low_ = 0, high_ = 1;
  std::vector<Tick> ticks_;
};

/// A number as a tick shows it: 0.25, 12,500, 10⁻⁴.
std::string number_label(double value, double step);

}  // namespace amnet
