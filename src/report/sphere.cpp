#include "frame.h"

#include <amnet/core/error.h>
#include <amnet/report/svg.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace amnet {
namespace {

using Point = std::array<double, 3>;

// Nine colours of the scheme, and a grey. The discs stay light in the dark, so that the colours
// need no second version.
constexpr std::array<std::string_view, 10> colours = {"#332288", "#cc6677", "#117733", "#ddaa33", "#88ccee",
                                                      "#882255", "#44aa99", "#999933", "#aa4499", "#777777"};
constexpr double radius = 92, gap = 10, margin = 14, heading = 24;
constexpr double panel_width = 4 * radius + gap, panel_height = heading + 2 * radius + 26;

struct Place {
  double x, y;
  bool front;
};

/// In the drawing's units, from the upper left corner of a panel's discs.
Place place_of(const Point& point) {
  const double length = std::hypot(point[0], point[1], point[2]);
  const bool front = point[2] > 0;
  const double x = (front ? point[0] : -point[0]) / length, y = point[1] / length;
  return {radius + (front ? 0 : 2 * radius + gap) + radius * x, radius - radius * y, front};
}

bool has_direction(const Point& point) {
  const double length = std::hypot(point[0], point[1], point[2]);
  return std::isfinite(length) && length > 0;
}

std::string disc(double x, std::string_view label) {
  std::string text = fmt::format(R"(<circle cx="{0:.1f}" cy="{1:.1f}" r="{1:.1f}" fill="#fafbfc" stroke="#aab2bb"/>)", x, radius);
  for (const double sine : {0.5, std::sqrt(0.75)}) {
    text += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="{:.1f}" fill="none" stroke="#e1e5e9"/>)", x, radius, radius * sine);
  }
  text += fmt::format(R"(<path d="M{0:.1f} {2:.1f}H{1:.1f}M{3:.1f} 0V{4:.1f}" stroke="#e1e5e9"/>)", x - radius, x + radius, radius, x,
                      2 * radius);
  return text + text_at(x, 2 * radius + 14, "middle", muted, label, R"(font-size="11")");
}

/// Dots on a grid of half a unit.
std::string dots(const SphereGroup& group, std::string_view colour) {
  std::set<std::pair<long, long>> places;
  for (const Point& point : group.points) {
    if (!has_direction(point)) continue;
    const Place place = place_of(point);
    places.emplace(std::lround(2 * place.x), std::lround(2 * place.y));
  }
  if (places.empty()) return "";
  std::string data;
  for (const auto& [x, y] : places) data += fmt::format("M{} {}h0", x, y);
  return fmt::format(
      R"svg(<path transform="scale(0.5)" d="{}" fill="none" stroke="{}" stroke-width="5" stroke-opacity="0.6" stroke-linecap="round"/>)svg",
      data, colour);
}

std::string centre_mark(const Point& centre, std::size_t number) {
  if (!has_direction(centre)) return "";
  const Place place = place_of(centre);
  return fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="7.5" fill="#ffffff" stroke="{}" stroke-width="2"/>)", place.x, place.y,
                     colours[number]) +
         fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="middle" fill="#1c2127" font-size="10.5" font-weight="600">{}</text>)",
                     place.x, place.y + 3.7, number);
}

std::string panel(const Sphere& sphere) {
  require(sphere.groups.size() <= colours.size(), "[report] expected at most {} classes on the sphere `{}` but got {}.", colours.size(),
          sphere.title, sphere.groups.size());
  std::string text = text_at(2, 14, "start", ink, sphere.title, R"(font-size="13" font-weight="600")") +
                     text_at(panel_width, 14, "end", muted, sphere.remark);
  text += fmt::format(R"svg(<g transform="translate(0 {:.0f})">)svg", heading);
  text += disc(radius, "front") + disc(3 * radius + gap, "back");
  for (std::size_t i = 0; i < sphere.groups.size(); ++i) text += dots(sphere.groups[i], colours[i]);
  for (std::size_t i = 0; i < sphere.groups.size(); ++i) text += centre_mark(sphere.groups[i].centre, i);
  return text + "</g>";
}

}  // namespace

std::string draw(const SphereChart& chart) {
  const double top = chart.title.empty() ? margin : 40;
  const std::size_t across = std::min<std::size_t>(2, chart.spheres.size()), rows = (chart.spheres.size() + 1) / 2;
  const double width = 2 * margin + panel_width + (across > 1 ? panel_width + 3 * margin : 0);
  const double height = top + std::max(40.0, static_cast<double>(rows) * (panel_height + margin));
  std::string text = drawing_head(chart.title, chart.description, static_cast<int>(std::ceil(width)), static_cast<int>(std::ceil(height)));
  if (!chart.title.empty()) text += text_at(margin, 20, "start", ink, chart.title, R"(font-size="15" font-weight="600")");
  if (chart.spheres.empty()) text += text_at(width / 2, top + 16, "middle", muted, "no data yet", R"(font-size="14" font-style="italic")");
  for (std::size_t i = 0; i < chart.spheres.size(); ++i) {
    const std::size_t column = i % 2, row = i / 2;
    text +=
        fmt::format(R"svg(<g transform="translate({:.0f} {:.0f})">)svg", margin + static_cast<double>(column) * (panel_width + 3 * margin),
                    top + static_cast<double>(row) * (panel_height + margin)) +
        panel(chart.spheres[i]) + "</g>";
  }
  return text + "</svg>";
}

}  // namespace amnet
