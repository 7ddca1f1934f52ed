// What line charts and histograms share: title, legend, axes, grid and marks around a plot.
#pragma once

#include "axis.h"

#include <amnet/report/svg.h>

#include <string>
#include <string_view>
#include <vector>

namespace amnet {

enum class Swatch : unsigned char { line, faint, dashed, dot, area };

struct LegendEntry {
  std::string name;
  int color = 0;
  Swatch swatch = Swatch::line;
};

struct FrameText {
  std::string title, description, x_label, y_label;
};

/// `class` and light colour of a stroke or a fill in the colour of a series; the style sheet of the
/// drawing overrides it in the dark.
std::string stroke_of(int color);
std::string fill_of(int color);

/// The beginning of a drawing, up to its background; it ends with "</svg>".
std::string drawing_head(std::string_view title, std::string_view description, int width, int height);

/// Paints of texts, for text_at.
inline constexpr std::string_view ink = R"(class="ink" fill="#1c2127")";
inline constexpr std::string_view muted = R"(class="muted" fill="#5f6873")";
/// `anchor`: start, middle or end; `more`: further attributes.
std::string text_at(double x, double y, std::string_view anchor, std::string_view paint, std::string_view text, std::string_view more = "");

class Frame {
 public:
  Frame(const FrameText& text, const Ruler& x, const Ruler& y, const std::vector<LegendEntry>& legend, int width, int height);

  /// Places in the drawing.
  double px(double value) const { return left_ + x_.place(value) * (right_ - left_); }
  double py(double value) const { return bottom_ - y_.place(value) * (bottom_ - top_); }
  double plot_width() const { return right_ - left_; }

  /// Something inside the plot; what sticks out is cut off.
  void add(std::string_view svg) { plot_ += svg; }
  void add_marks(const std::vector<Mark>& x_marks, const std::vector<Mark>& y_marks);
  /// A word in the middle of an empty plot.
  void add_notice(std::string_view text);

  std::string str() const;

 private:
  void add_legend(const std::vector<LegendEntry>& legend);
  void add_axes(const FrameText& text);

  const Ruler &x_, &y_;
  int width_, height_;
  double left_ = 0, right_ = 0, top_ = 0, bottom_ = 0;
  std::string head_, around_, plot_, over_;
};

}  // namespace amnet
