#include "example.h"

#include <span>

using namespace amnet;

EXAMPLE("report/html.h") {
  const LineChart chart{.title = "Accuracy", .series = {{.x = {0, 1}, .y = {50, 60}}}};
#include "example_of/report/html.h"
  CHECK(is_report_page(page));
}

EXAMPLE("report/svg.h") {
  const std::vector<double> steps = {0, 20, 40}, losses = {5, 4, 3.5};
#include "example_of/report/svg.h"
  CHECK(is_drawing(svg));
}
