#include "frame.h"
#include "markup.h"

#include <amnet/core/error.h>
#include <amnet/report/svg.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace amnet {
namespace {

struct Point {
  double x, y;
};

/// The points of one curve between two gaps, in the drawing's units. Of those in one column of a
/// unit's width, the first, the lowest, the highest and the last are kept, in their order: nothing
/// that could be seen is lost.
class Run {
 public:
  void add(Point point) {
    if (!column_.empty() && std::floor(point.x) != std::floor(column_.front().x)) close_column();
    column_.push_back(point);
  }
  std::string path() {
    close_column();
    std::string text;
    for (const Point& point : kept_) text += fmt::format("{}{:.1f} {:.1f}", text.empty() ? 'M' : 'L', point.x, point.y);
    if (kept_.size() == 1) text += "h0";  // with a round cap: a dot
    return text;
  }

 private:
  void close_column() {
    if (column_.size() <= 4) {
      kept_.insert(kept_.end(), column_.begin(), column_.end());
    } else {
      const auto [low, high] =
          std::minmax_element(column_.begin(), column_.end(), [](const Point& a, const Point& b) { return a.y < b.y; });
      kept_.push_back(column_.front());
      kept_.push_back(*std::min(low, high));
      kept_.push_back(*std::max(low, high));
      kept_.push_back(column_.back());
    }
    column_.clear();
  }
  std::vector<Point> kept_, column_;
};

bool drawable(const LineChart& chart, const Series& series, std::size_t i) {
  return drawable(series.x[i], chart.x.scale) && drawable(series.y[i], chart.y.scale);
}

std::string curve(const LineChart& chart, const Frame& frame, const Series& series, int color) {
  std::string data;
  Run run;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (drawable(chart, series, i)) {
      run.add({frame.px(series.x[i]), frame.py(series.y[i])});
    } else {
      data += std::exchange(run, {}).path();
    }
  }
  data += run.path();
  if (data.empty()) return "";
  const std::string_view look = series.style == Style::faint    ? R"(stroke-width="1" stroke-opacity="0.35")"
                                : series.style == Style::dashed ? R"(stroke-width="1.8" stroke-dasharray="6 4")"
                                                                : R"(stroke-width="2.2")";
  return fmt::format(R"(<path d="{}" fill="none" {} {} stroke-linejoin="round" stroke-linecap="round"/>)", data, stroke_of(color), look);
}

std::string dots(const LineChart& chart, const Frame& frame, const Series& series, int color) {
  std::string text;
  for (std::size_t i = 0; i < series.x.size(); ++i) {
    if (!drawable(chart, series, i)) continue;
    text += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="4.2" {}><title>{}: {:.6g}, {:.6g}</title></circle>)", frame.px(series.x[i]),
                        frame.py(series.y[i]), fill_of(color), escaped(series.name), series.x[i], series.y[i]);
  }
  return text;
}

std::string described(const LineChart& chart, const Ruler& x, const Ruler& y) {
  if (!chart.description.empty()) return chart.description;
  std::string text = fmt::format("{} against {}, {} curve(s).", chart.y.label.empty() ? "values" : chart.y.label,
                                 chart.x.label.empty() ? "position" : chart.x.label, chart.series.size());
  for (const Series& series : chart.series) {
    for (std::size_t i = series.x.size(); i-- > 0;) {
      if (!drawable(chart, series, i)) continue;
      text += fmt::format(" {} ends at {:.4g}.", series.name.empty() ? "A curve" : series.name, series.y[i]);
      break;
    }
  }
  return x.ticks().empty() || y.ticks().empty() ? text : text + fmt::format(" The vertical axis shows up to {}.", y.ticks().back().label);
}

}  // namespace

std::string draw(const LineChart& chart) {
  std::vector<double> xs, ys;
  std::vector<LegendEntry> legend;
  std::vector<int> colors;
  int color = 0;
  for (const Series& series : chart.series) {
    require(series.x.size() == series.y.size(), "[report] expected as many x as y in the curve `{}` but got {} and {}.", series.name,
            series.x.size(), series.y.size());
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!drawable(chart, series, i)) continue;
      xs.push_back(series.x[i]);
      ys.push_back(series.y[i]);
    }
    const Swatch swatch = series.style == Style::faint    ? Swatch::faint
                          : series.style == Style::dashed ? Swatch::dashed
                          : series.style == Style::points ? Swatch::dot
                                                          : Swatch::line;
    legend.push_back({series.name, color, swatch});
    colors.push_back(color);
    if (series.style != Style::faint) ++color;
  }
  const bool empty = xs.empty();
  if (!empty) {
    for (const Mark& mark : chart.y_marks) ys.push_back(mark.at);
  }
  const bool has_points = std::any_of(chart.series.begin(), chart.series.end(), [](const Series& s) { return s.style == Style::points; });
  const Ruler x(chart.x, xs, 7, has_points), y(chart.y, ys, 5, true);
  Frame frame({chart.title, described(chart, x, y), chart.x.label, chart.y.label}, x, y, legend, chart.width, chart.height);
  // Faint curves first, dots last, whatever the order they were given in.
  for (const int layer : {0, 1, 2}) {
    for (std::size_t i = 0; i < chart.series.size(); ++i) {
      const Series& series = chart.series[i];
      if (layer != (series.style == Style::faint ? 0 : series.style == Style::points ? 2 : 1)) continue;
      frame.add(series.style == Style::points ? dots(chart, frame, series, colors[i]) : curve(chart, frame, series, colors[i]));
    }
  }
  if (empty) {
    frame.add_notice("no data yet");
  } else {
    frame.add_marks(chart.x_marks, chart.y_marks);
  }
  return frame.str();
}

std::string draw(const Histogram& histogram) {
  std::vector<double> all;
  std::vector<LegendEntry> legend;
  for (const HistogramGroup& group : histogram.groups) {
    for (const double value : group.values) {
      if (drawable(value, Scale::linear)) all.push_back(value);
    }
    legend.push_back({group.name, static_cast<int>(legend.size()), Swatch::area});
  }
  const bool empty = all.empty();
  const auto bins = static_cast<std::size_t>(std::clamp(histogram.bins, 1, 1000));
  Axis across = histogram.x;
  across.scale = Scale::linear;
  const Ruler x(across, all, 8, false);
  std::vector<std::vector<double>> shares;  // percent of the group's values in each bin
  std::vector<double> tallest = {0};
  std::string means;
  for (const HistogramGroup& group : histogram.groups) {
    std::vector<double>& share = shares.emplace_back(bins, 0.0);
    double count = 0, sum = 0;
    for (const double value : group.values) {
      if (!drawable(value, Scale::linear)) continue;
      const double place = std::clamp(x.place(value), 0.0, 1.0);
      share[std::min(bins - 1, static_cast<std::size_t>(place * static_cast<double>(bins)))] += 1;
      count += 1;
      sum += value;
    }
    for (double& value : share) value = count > 0 ? 100 * value / count : 0;
    if (count > 0) means += fmt::format(" {}: {} values, mean {:.4g}.", group.name, count, sum / count);
    tallest.push_back(*std::max_element(share.begin(), share.end()));
  }
  if (empty) tallest = {0, 1};
  // room for their words
  if (!histogram.marks.empty()) tallest.push_back(1.15 * *std::max_element(tallest.begin(), tallest.end()));
  const Ruler y({.label = "", .low = 0}, tallest, 4, true);
  const std::string description =
      histogram.description.empty() ? fmt::format("Histogram of {}.{}", histogram.x.label, means) : histogram.description;
  Frame frame({histogram.title, description, histogram.x.label, "percent of each group"}, x, y, legend, histogram.width, histogram.height);
  const double step = (x.high() - x.low()) / static_cast<double>(bins);
  for (std::size_t g = 0; g < shares.size() && !empty; ++g) {
    std::string top;
    for (std::size_t bin = 0; bin < bins; ++bin) {
      const double from = frame.px(x.low() + step * static_cast<double>(bin)), to = frame.px(x.low() + step * static_cast<double>(bin + 1));
      const double height = frame.py(shares[g][bin]);
      top += fmt::format("L{:.1f} {:.1f}L{:.1f} {:.1f}", from, height, to, height);
    }
    const double base = frame.py(0);
    const std::string outline = fmt::format("M{:.1f} {:.1f}{}L{:.1f} {:.1f}", frame.px(x.low()), base, top, frame.px(x.high()), base);
    const int color = static_cast<int>(g);
    frame.add(fmt::format(R"(<path d="{0}Z" fill-opacity="0.32" {1}/><path d="{0}" fill="none" stroke-width="1.5" {2}/>)", outline,
                          fill_of(color), stroke_of(color)));
  }
  if (empty) {
    frame.add_notice("no data yet");
  } else {
    frame.add_marks(histogram.marks, {});
  }
  return frame.str();
}

LineChart roc_chart(std::vector<Series> curves) {
  LineChart chart;
  chart.title = "ROC";
  chart.x = {.label = "false accept rate", .scale = Scale::log, .high = 1};
  chart.y = {.label = "true accept rate, percent", .high = 100};
  chart.series = std::move(curves);
  return chart;
}

std::vector<double> smoothed(std::span<const double> values, double half_life) {
  std::vector<double> result;
  result.reserve(values.size());
  const double keep = half_life > 0 ? std::exp2(-1 / half_life) : 0;
  double sum = 0, weight = 0;
  for (const double value : values) {
    if (std::isfinite(value)) {
      sum = keep * sum + (1 - keep) * value;
      weight = keep * weight + (1 - keep);
    }
    result.push_back(weight > 0 ? sum / weight : value);
  }
  return result;
}

}  // namespace amnet
