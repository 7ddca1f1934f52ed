#include <amnet/core/error.h>
#include <amnet/core/random.h>
#include <amnet/report/svg.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>

#include "catch.h"
#include "report/axis.h"
#include "well_formed.h"

using namespace amnet;
using Catch::Matchers::Contains;

namespace {

constexpr double absent = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

std::vector<std::string> labels_of(const Ruler& ruler) {
  std::vector<std::string> labels;
  for (const Tick& tick : ruler.ticks()) {
    if (!tick.label.empty()) labels.push_back(tick.label);
  }
  return labels;
}

/// The y of each point of the first path.
std::vector<double> heights_of(const std::string& svg) {
  std::vector<double> heights;
  const std::size_t begin = svg.find("<path d=\"") + 9;
  std::string path = svg.substr(begin, svg.find('"', begin) - begin);
  for (std::size_t at = 0; at < path.size();) {
    double x = 0, y = 0;
    if (std::sscanf(path.c_str() + at + 1, "%lf %lf", &x, &y) == 2) heights.push_back(y);
    at = std::min(path.find_first_of("ML", at + 1), path.size());
  }
  return heights;
}

}  // namespace

TEST_CASE("svg: ticks stand at round numbers and read well", "[svg]") {
  CHECK(labels_of(Ruler({}, {0, 30000}, 6, false)) ==
        std::vector<std::string>{"0", "5,000", "10,000", "15,000", "20,000", "25,000", "30,000"});
  CHECK(labels_of(Ruler({}, {-1, 1}, 4, false)) == std::vector<std::string>{"−1.0", "−0.5", "0", "0.5", "1.0"});
  CHECK(labels_of(Ruler({}, {0.1, 0.1003}, 3, false)) == std::vector<std::string>{"0.1000", "0.1001", "0.1002", "0.1003"});
  CHECK(labels_of(Ruler({.scale = Scale::log}, {1e-6, 1}, 7, false)) ==
        std::vector<std::string>{"10⁻⁶", "10⁻⁵", "10⁻⁴", "0.001", "0.01", "0.1", "1"});
  CHECK(labels_of(Ruler({.scale = Scale::log}, {1, 100}, 5, false)) == std::vector<std::string>{"1", "2", "5", "10", "20", "50", "100"});
  CHECK(labels_of(Ruler({.scale = Scale::log}, {11, 14}, 3, false)) == std::vector<std::string>{"11", "12", "13", "14"});
}

TEST_CASE("svg: an axis maps its ends to 0 and 1, linear and logarithmic, whatever its values", "[svg]") {
  const Ruler linear({}, {2, 6}, 5, false);
  CHECK(linear.place(2) == 0);
  CHECK(linear.place(3) == 0.25);
  CHECK(Ruler({.scale = Scale::log}, {0.01, 1}, 5, false).place(0.1) == Approx(0.5));
  const std::vector<std::vector<double>> hostile = {
      {}, {absent}, {5}, {0}, {-3, -3}, {1e-300, 1e300}, {1e12, 1e12 + 1}, {infinity, 3, 4}, {1e99, -1e99}, {1e-9, 2e-9}, {0, 1e-40}};
  for (const Scale scale : {Scale::linear, Scale::log}) {
    for (const std::vector<double>& values : hostile) {
      for (const bool padded : {false, true}) {
        const Ruler ruler({.scale = scale}, values, 5, padded);
        CHECK(ruler.high() > ruler.low());
        CHECK(ruler.ticks().size() <= 250);
        for (const double value : values) {
          if (!drawable(value, scale)) continue;
          CHECK(ruler.place(value) >= -1e-9);
          CHECK(ruler.place(value) <= 1 + 1e-9);
        }
      }
    }
  }
  CHECK(Ruler({.low = 0, .high = 100}, {40, 60}, 5, true).place(50) == 0.5);
  CHECK(Ruler({}, {1, 100}, 5, true).low() == 0);  // space below, but not below zero
}

TEST_CASE("svg: a line chart is well formed and says what it shows", "[svg]") {
  LineChart chart;
  chart.title = "Loss <b> & \"more\"";
  chart.x.label = "step";
  chart.y.label = "loss";
  chart.series = {{.name = "each step", .x = {0, 1, 2}, .y = {3, 1, 2}, .style = Style::faint},
                  {.name = "smoothed", .x = {0, 1, 2}, .y = {3, 2, 2}},
                  {.name = "validation", .x = {1}, .y = {2.5}, .style = Style::points},
                  {.name = "other", .x = {0, 2}, .y = {1, 1}, .style = Style::dashed}};
  chart.x_marks = {{1, "lr 0.01"}, {1e9, "outside"}};
  chart.y_marks = {{2, "mean"}};
  const std::string svg = draw(chart);
  CHECK(flaw_in(svg) == "");
  CHECK_THAT(svg, Contains("<title>Loss &lt;b&gt; &amp; &quot;more&quot;</title>") && Contains("role=\"img\"") && Contains("<desc>"));
  CHECK_THAT(svg, Contains(">each step<") && Contains(">smoothed<") && Contains(">lr 0.01<") && Contains(">mean<") && Contains(">loss<"));
  CHECK_THAT(svg, !Contains(">outside<") && !Contains("no data yet") && Contains("prefers-color-scheme:dark"));
  CHECK(count_of(svg, "<path ") == 3);
  CHECK(count_of(svg, "<circle ") == 2);  // the dot and its sample in the legend
  // The faint curve has the colour of the curve after it.
  CHECK(count_of(svg, "class=\"s0\"") == 4);
  CHECK(count_of(svg, "class=\"f1\"") == 2);
  CHECK(count_of(svg, "class=\"s2\"") == 2);
}

TEST_CASE("svg: a curve is where its values are, larger is higher", "[svg]") {
  LineChart chart;
  chart.y = {.low = 0, .high = 4};
  chart.series = {{.name = "", .x = {0, 1, 2}, .y = {0, 4, 1}}};
  const std::vector<double> heights = heights_of(draw(chart));
  REQUIRE(heights.size() == 3);
  CHECK(heights[1] < heights[0]);
  CHECK((heights[0] - heights[2]) / (heights[0] - heights[1]) == Approx(0.25).margin(0.01));
}

TEST_CASE("svg: what is not finite leaves a gap, and nothing at all says so", "[svg]") {
  LineChart chart;
  chart.series = {{.name = "a", .x = {0, 1, 2, 3, 4, 5, absent}, .y = {1, 2, absent, infinity, 3, 4, 5}}};
  const std::string svg = draw(chart);
  CHECK(flaw_in(svg) == "");
  CHECK_THAT(svg, !Contains("nan") && !Contains("inf"));
  const std::string path = svg.substr(svg.find("<path d=\"") + 9, 60);
  CHECK(std::count(path.begin(), path.end(), 'M') == 2);
  for (const LineChart& empty :
       {LineChart{}, LineChart{.series = {{.name = "a"}}}, LineChart{.series = {{.name = "a", .x = {absent, 1}, .y = {1, -infinity}}}},
        LineChart{.y = {.scale = Scale::log}, .series = {{.name = "a", .x = {1, 2}, .y = {0, -1}}}, .y_marks = {{absent, "m"}}}}) {
    const std::string text = draw(empty);
    CHECK(flaw_in(text) == "");
    CHECK_THAT(text, Contains("no data yet") && !Contains("nan") && !Contains("inf"));
  }
  CHECK_THROWS_AS(draw(LineChart{.series = {{.name = "a", .x = {1}, .y = {}}}}), UsageError);
}

TEST_CASE("svg: a long curve is thinned, and its single spike stays", "[svg]") {
  Series series{.name = "loss", .x = {}, .y = {}};
  for (int i = 0; i < 200000; ++i) {
    series.x.push_back(i);
    series.y.push_back(i == 123456 ? 9 : i == 123460 ? 1 : 5 + 0.1 * Random(1).uniform(static_cast<std::uint64_t>(i)));
  }
  LineChart chart;
  chart.y = {.low = 1, .high = 9};
  chart.series = {series};
  const std::string svg = draw(chart);
  CHECK(svg.size() < 60000);
  const std::vector<double> heights = heights_of(svg);
  const auto [top, bottom] = std::minmax_element(heights.begin(), heights.end());
  std::vector<double> sorted = heights;
  std::sort(sorted.begin(), sorted.end());
  const double middle = sorted[sorted.size() / 2];
  CHECK(*bottom - *top > 200);
  CHECK(middle - *top == Approx(*bottom - middle).margin(10));
}

TEST_CASE("svg: a histogram gives each group's shares in percent", "[svg]") {
  Histogram histogram;
  histogram.title = "Scores";
  histogram.x = {.label = "cosine", .low = 0, .high = 1};
  histogram.bins = 2;
  histogram.groups = {{"same", {0.1, 0.9, 1.0, 0.6}}, {"different", {0.2, 0.2, absent}}};
  histogram.marks = {{0.5, "threshold"}};
  const std::string svg = draw(histogram);
  CHECK(flaw_in(svg) == "");
  CHECK_THAT(svg, Contains("same: 4 values, mean 0.65.") && Contains("different: 2 values, mean 0.2.") && Contains(">threshold<"));
  // percent: all of one group is in one bin
  CHECK_THAT(svg, Contains(">50<") && Contains(">100<"));
  // M base, L two corners of bin 0 (25 %), L two of bin 1 (75 %), L base.
  const std::vector<double> heights = heights_of(svg);
  REQUIRE(heights.size() == 6);
  CHECK((heights[0] - heights[1]) * 3 == Approx(heights[0] - heights[3]).margin(0.5));
  for (const Histogram& empty :
       {Histogram{}, Histogram{.groups = {{"a", {}}}}, Histogram{.groups = {{"a", {absent, infinity}}}, .bins = 0}}) {
    CHECK(flaw_in(draw(empty)) == "");
    CHECK_THAT(draw(empty), Contains("no data yet"));
  }
  CHECK(flaw_in(draw(Histogram{.groups = {{"one", {0.5}}}})) == "");
}

TEST_CASE("svg: the ROC is drawn over a logarithmic false accept rate", "[svg]") {
  const LineChart chart = roc_chart({{.name = "model", .x = {0, 0.001, 0.1, 1}, .y = {10, 50, 90, 100}}});
  CHECK(chart.x.scale == Scale::log);
  const std::string svg = draw(chart);
  CHECK(flaw_in(svg) == "");
  CHECK_THAT(svg, Contains(">0.001<") && Contains(">1<") && Contains(">100<"));
  CHECK(heights_of(svg).size() == 3);  // a rate of 0 has no place on a log axis
}

TEST_CASE("svg: smoothing starts at the first value, halves in its half-life and passes over gaps", "[svg]") {
  const std::vector<double> step = smoothed(std::vector<double>{4, 4, absent, 4}, 10);
  for (const double value : step) CHECK(value == Approx(4));
  std::vector<double> jump(1000, 0.0);
  jump.resize(1050, 1.0);
  CHECK(smoothed(jump, 50).back() == Approx(0.5).margin(1e-4));
  CHECK(std::isnan(smoothed(std::vector<double>{absent, 1}, 5)[0]));
  CHECK(smoothed(std::vector<double>{1, 2}, 0) == std::vector<double>{1, 2});
}
