#include "frame.h"

#include "markup.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace amnet {
namespace {

// Light colours are attributes, so that a renderer without style sheets shows them, too; the dark
// ones override them.
constexpr std::array<std::string_view, 6> light = {"#1f6fb4", "#d2571f", "#23896b", "#8a55a6", "#a67c00", "#5c6670"};
constexpr std::array<std::string_view, 6> dark = {"#62aef0", "#f3905f", "#5cc8a6", "#c79be4", "#dfbc52", "#a7b1bc"};
constexpr std::string_view paper = R"(class="paper" fill="#ffffff")";
constexpr std::string_view grid = R"(class="grid" stroke="#e6e9ec")";
constexpr std::string_view axis = R"(class="axis" stroke="#aab2bb")";
constexpr std::string_view halo = R"(class="halo" fill="none" stroke="#ffffff" stroke-width="4" stroke-linejoin="round")";

std::string style_sheet() {
  std::string rules =
      ".amnet-figure .paper{fill:#14171a}.amnet-figure .ink{fill:#e8eaed}.amnet-figure .muted{fill:#9aa4af}"
      ".amnet-figure .grid{stroke:#272c32}.amnet-figure .axis{stroke:#59626c}.amnet-figure .halo{stroke:#14171a}";
  for (std::size_t i = 0; i < dark.size(); ++i) {
    rules += fmt::format(".amnet-figure .s{0}{{stroke:{1}}}.amnet-figure .f{0}{{fill:{1}}}", i, dark[i]);
  }
  return "<style>@media (prefers-color-scheme:dark){" + rules + "}</style>";
}

/// About how wide a text stands at 12 units; characters are counted, not bytes.
double width_of(std::string_view text) {
  return 6.6 * static_cast<double>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string line_from(double x1, double y1, double x2, double y2, std::string_view paint) {
  return fmt::format(R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" {}/>)", x1, y1, x2, y2, paint);
}

std::string swatch_at(double x, double y, const LegendEntry& entry) {
  switch (entry.swatch) {
    case Swatch::dot: return fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="4" {}/>)", x + 8, y, fill_of(entry.color));
    case Swatch::area:
      return fmt::format(R"(<rect x="{:.1f}" y="{:.1f}" width="16" height="10" rx="2" fill-opacity="0.55" {}/>)", x, y - 5,
                         fill_of(entry.color));
    default: break;
  }
  const std::string_view more = entry.swatch == Swatch::dashed  ? R"( stroke-width="2" stroke-dasharray="5 3")"
                                : entry.swatch == Swatch::faint ? R"( stroke-width="1.5" stroke-opacity="0.4")"
                                                                : R"( stroke-width="2.5")";
  return line_from(x, y, x + 16, y, stroke_of(entry.color) + std::string(more));
}

}  // namespace

std::string stroke_of(int color) {
  const auto i = static_cast<std::size_t>(color) % light.size();
  return fmt::format(R"(class="s{}" stroke="{}")", i, light[i]);
}

std::string fill_of(int color) {
  const auto i = static_cast<std::size_t>(color) % light.size();
  return fmt::format(R"(class="f{}" fill="{}")", i, light[i]);
}

std::string drawing_head(std::string_view title, std::string_view description, int width, int height) {
  return fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" class="amnet-figure" role="img" aria-label="{0}" viewBox="0 0 {2} {3}" width="{2}" height="{3}")"
      R"( font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif" font-size="12"><title>{0}</title>)"
      R"(<desc>{1}</desc>{4}<rect width="{2}" height="{3}" {5}/>)",
      escaped(title), escaped(description), width, height, style_sheet(), paper);
}

std::string text_at(double x, double y, std::string_view anchor, std::string_view paint, std::string_view text, std::string_view more) {
  return fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="{}" {} {}>{}</text>)", x, y, anchor, paint, more, escaped(text));
}

Frame::Frame(const FrameText& text, const Ruler& x, const Ruler& y, const std::vector<LegendEntry>& legend, int width, int height)
    : x_(x), y_(y), width_(std::max(width, 200)), height_(std::max(height, 160)) {
  head_ = drawing_head(text.title, text.description, width_, height_);
  top_ = 12;
  if (!text.title.empty()) {
    around_ += text_at(2, top_ + 8, "start", ink, text.title, R"(font-size="15" font-weight="600")");
    top_ += 22;
  }
  double widest = 0;
  for (const Tick& tick : y.ticks()) widest = std::max(widest, width_of(tick.label));
  left_ = widest + 12;
  right_ = width_ - 14;
  add_legend(legend);
  top_ += text.y_label.empty() ? 6 : 26;
  bottom_ = height_ - (text.x_label.empty() ? 24 : 42);
  add_axes(text);
}

void Frame::add_legend(const std::vector<LegendEntry>& legend) {
  double x = 2;
  bool any = false;
  for (const LegendEntry& entry : legend) {
    if (entry.name.empty()) continue;
    const double needed = 22 + width_of(entry.name) + 18;
    if (any && x + needed > width_) {
      x = 2;
      top_ += 18;
    }
    around_ += swatch_at(x, top_ + 6, entry) + text_at(x + 22, top_ + 10, "start", ink, entry.name);
    x += needed;
    any = true;
  }
  if (any) top_ += 20;
}

void Frame::add_axes(const FrameText& text) {
  if (!text.y_label.empty()) around_ += text_at(2, top_ - 12, "start", muted, text.y_label);
  if (!text.x_label.empty()) around_ += text_at((left_ + right_) / 2, height_ - 8, "middle", muted, text.x_label);
  for (const Tick& tick : y_.ticks()) {
    const double y = py(tick.at);
    around_ += line_from(left_, y, right_, y, std::string(grid) + (tick.label.empty() ? R"( stroke-opacity="0.45")" : ""));
    if (!tick.label.empty()) around_ += text_at(left_ - 8, y + 4, "end", muted, tick.label);
  }
  double free_from = -1e9;  // labels that would touch the one before are left out
  for (const Tick& tick : x_.ticks()) {
    const double x = px(tick.at);
    around_ += line_from(x, top_, x, bottom_, std::string(grid) + R"( stroke-opacity=")" + (tick.label.empty() ? R"(0.35")" : R"(0.6")"));
    if (tick.label.empty()) continue;
    const double half = width_of(tick.label) / 2;
    const double centre = std::min(x, width_ - half - 1);
    if (centre - half < free_from) continue;
    free_from = centre + half + 8;
    around_ += line_from(x, bottom_, x, bottom_ + 4, axis) + text_at(centre, bottom_ + 17, "middle", muted, tick.label);
  }
  around_ += line_from(left_, bottom_, right_, bottom_, axis);
}

void Frame::add_marks(const std::vector<Mark>& x_marks, const std::vector<Mark>& y_marks) {
  constexpr std::string_view dashes = R"( stroke-dasharray="2 3" stroke-width="1.2")";
  const std::string paint = std::string(axis) + std::string(dashes);
  const auto inside = [](double place) { return place >= -1e-9 && place <= 1 + 1e-9; };
  std::string words;  // above all lines
  const auto say = [&](double x, double y, std::string_view anchor, std::string_view label) {
    constexpr std::string_view font = R"(font-size="11")";
    words += text_at(x, y, anchor, halo, label, std::string(font) + R"( aria-hidden="true")") + text_at(x, y, anchor, muted, label, font);
  };
  double rows[3] = {-1e9, -1e9, -1e9};  // where each row of words is free again
  for (const Mark& mark : x_marks) {
    if (!inside(x_.place(mark.at))) continue;
    const double x = px(mark.at), needed = width_of(mark.label);
    over_ += line_from(x, top_, x, bottom_, paint);
    if (mark.label.empty()) continue;
    const bool turned = x + 5 + needed > right_;
    const double begin = turned ? x - 5 - needed : x + 5;
    int row = 0;
    while (row < 2 && begin < rows[row]) ++row;
    rows[row] = begin + needed + 8;
    say(turned ? x - 5 : x + 5, top_ + 11 + 14 * row, turned ? "end" : "start", mark.label);
  }
  for (const Mark& mark : y_marks) {
    if (!inside(y_.place(mark.at))) continue;
    const double y = py(mark.at);
    over_ += line_from(left_, y, right_, y, paint);
    if (!mark.label.empty()) say(right_ - 4, y - 5 < top_ + 8 ? y + 13 : y - 5, "end", mark.label);
  }
  over_ += words;
}

void Frame::add_notice(std::string_view text) {
  over_ += text_at((left_ + right_) / 2, (top_ + bottom_) / 2, "middle", muted, text, R"(font-size="14" font-style="italic")");
}

std::string Frame::str() const {
  // A nested drawing clips without an id, which two figures on one page would share. One unit of
  // margin keeps a curve on the edge whole.
  const std::string plot = fmt::format(
      R"(<svg x="{0:.1f}" y="{1:.1f}" width="{2:.1f}" height="{3:.1f}" viewBox="{0:.1f} {1:.1f} {2:.1f} {3:.1f}" overflow="hidden">)",
      left_ - 1, top_ - 5, right_ - left_ + 6, bottom_ - top_ + 7);
  return head_ + around_ + plot + plot_ + "</svg>" + over_ + "</svg>";
}

bool is_drawing(std::string_view beginning) {
  return beginning.starts_with("<svg") && beginning.find("class=\"amnet-figure\"") != std::string_view::npos;
}

}  // namespace amnet
