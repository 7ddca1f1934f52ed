#include <amnet/core/error.h>
#include <amnet/report/svg.h>

#include <cmath>
#include <limits>
#include <string>

#include "catch.h"
#include "well_formed.h"

using namespace amnet;
using Catch::Matchers::Contains;

TEST_CASE("svg: points on a sphere are where they are seen from the front and from behind", "[svg]") {
  const double absent = std::numeric_limits<double>::quiet_NaN();
  Sphere sphere{.title = "a < b", .remark = "98 %"};
  // The middle of the front; to the right on the front; the same seen from behind, on the left; up.
  sphere.groups = {{.points = {{0, 0, 2}}, .centre = {0, 0, 1}},
                   {.points = {{0.6, 0, 0.8}}},
                   {.points = {{0.6, 0, -0.8}}},
                   {.points = {{0, 0.5, std::sqrt(0.75)}, {absent, 0, 1}, {0, 0, 0}}}};
  const std::string svg = draw(SphereChart{.title = "Features", .description = "What is seen.", .spheres = {sphere}});
  CHECK(flaw_in(svg) == "");
  CHECK(is_drawing(svg));
  CHECK_THAT(svg, Contains("a &lt; b") && Contains("98 %") && Contains(">front<") && Contains(">back<") && Contains("What is seen."));
  // Discs of radius 92 with a gap of 10, on a grid of half a unit, y down.
  CHECK_THAT(svg, Contains(R"(d="M184 184h0")"));
  CHECK_THAT(svg, Contains(R"(d="M294 184h0")"));
  CHECK_THAT(svg, Contains(R"(d="M462 184h0")"));
  CHECK_THAT(svg, Contains(R"(d="M184 92h0")"));
  CHECK_THAT(svg, Contains(R"(font-weight="600">0</text>)"));
  CHECK_THAT(svg, !Contains(R"(font-weight="600">1</text>)"));
}

TEST_CASE("svg: spheres without points, without classes, and with too many", "[svg]") {
  CHECK_THAT(draw(SphereChart{}), Contains("no data yet"));
  CHECK(flaw_in(draw(SphereChart{})) == "");
  SphereChart chart{.spheres = {Sphere{}, Sphere{.groups = {{}, {}}}, Sphere{}}};
  CHECK(flaw_in(draw(chart)) == "");
  chart.spheres[1].groups.resize(11);
  CHECK_THROWS_WITH(draw(chart), Contains("at most 10 classes"));
}

TEST_CASE("svg: points of a class that cannot be told apart are one", "[svg]") {
  SphereGroup group;
  for (int i = 0; i < 1000; ++i) group.points.push_back({1e-4 * std::cos(i), 1e-4 * std::sin(i), 1});
  CHECK(draw(SphereChart{.spheres = {Sphere{.groups = {group}}}}).size() < 6000);
}
