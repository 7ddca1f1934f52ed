// Drawings of a run as SVG text: curves, histograms and points on a sphere. Self-contained, without
// scripts, light or dark as the reader's system is, legible without colour vision, and labelled for
// screen readers. Values that are not finite leave a gap; no values say "no data yet".
//
//   LineChart loss{.title = "Loss", .x = {.label = "step"}, .y = {.label = "loss"}};
//   loss.series = {{.name = "each step", .x = steps, .y = losses, .style = Style::faint},
//                  {.name = "smoothed", .x = steps, .y = smoothed(losses, 50)}};
//   std::string svg = draw(loss);
#pragma once

#include <array>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace amnet {

enum class Scale : unsigned char { linear, log };

/// line: a curve. faint: a thin, pale one behind the others (the raw values of a smoothed curve, in
/// the colour of the series after it). dashed: a curve to compare with. points: dots, unconnected.
enum class Style : unsigned char { line, faint, dashed, points };

struct Axis {
  static constexpr double automatic = std::numeric_limits<double>::quiet_NaN();
  std::string label = {};
  Scale scale = Scale::linear;  // log leaves out values <= 0
  double low = automatic, high = automatic;
};

struct Series {
  std::string name = {};               // empty: not in the legend
  std::vector<double> x = {}, y = {};  // of one length; a value that is not finite breaks the curve
  Style style = Style::line;
};

/// A line across the plot with a word beside it: a drop of the learning rate (at an x), a mean (at
/// a y).
struct Mark {
  double at = 0;
  std::string label = {};
};

struct LineChart {
  std::string title = {};
  // what the drawing shows, for those who cannot see it; empty: made from the rest
  std::string description = {};
  Axis x = {}, y = {};
  std::vector<Series> series = {};
  std::vector<Mark> x_marks = {}, y_marks = {};
  int width = 720, height = 340;  // of the drawing's own units; the page scales it
};

/// Curves with many points are thinned to what the width can show; each extreme stays. Throws
/// UsageError if x and y differ in length.
std::string draw(const LineChart& chart);

struct HistogramGroup {
  std::string name = {};
  std::vector<double> values = {};
};

/// Groups of values laid over one another, each as the percentage of its own values that fall into
/// a bin.
struct Histogram {
  std::string title = {};
  std::string description = {};
  Axis x = {};  // linear
  std::vector<HistogramGroup> groups = {};
  int bins = 60;
  std::vector<Mark> marks = {};
  int width = 720, height = 340;
};

std::string draw(const Histogram& histogram);

/// Points of one class on the unit sphere, such as unit features of three dimensions. A point that
/// is not finite or has no direction is left out; any other is drawn where its direction meets the
/// sphere.
struct SphereGroup {
  std::vector<std::array<double, 3>> points = {};
  std::array<double, 3> centre = {};  ///< marked with the number of the class; zero: not marked
};

/// One sphere: the hemisphere z > 0 seen from the front, and beside it the other seen from behind
/// (orthographic, y up). Circles are at 30 and 60 degrees from the poles.
struct Sphere {
  std::string title = {}, remark = {};   // stand above it, left and right
  std::vector<SphereGroup> groups = {};  // at most 10, the classes from 0 on
};

struct SphereChart {
  std::string title = {}, description = {};
  std::vector<Sphere> spheres = {};  // two beside each other
};

/// Points of a class that are closer than the drawing can show are one. The colours of the classes
/// are distinguishable without colour vision (Tol, "Colour schemes", 2021, the scheme muted), and
/// each centre has its number. Throws UsageError for more than 10 groups.
std::string draw(const SphereChart& chart);

/// Whether a file that begins like this is a drawing of draw()'s.
bool is_drawing(std::string_view beginning);

/// A chart for ROC curves: false accept rate (0..1, logarithmic) across, true accept rate in
/// percent up.
LineChart roc_chart(std::vector<Series> curves);

/// The exponential moving average, with its start corrected as in Adam (arXiv 1412.6980, section
/// 3): after `half_life` values a value counts half. Values that are not finite are skipped.
std::vector<double> smoothed(std::span<const double> values, double half_life);

}  // namespace amnet
