// A step's rounding errors grow in the following steps, whatever computes them. The allowed
// distance between two curves is therefore measured: by runs of the CPU whose first weights were
// each multiplied by 1 + 1e-6 n, n normal.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "catch.h"
#include "parity.h"
#include "trainee.h"

using namespace amnet;

namespace {

// An emulated GPU takes a second for a GPU's work of one millisecond.
const int steps = emulated_gpu ? 12 : 200, smoothed_over = emulated_gpu ? 4 : 20;
// The loss falls from about 20 to nearly 0, or to 8: 3 % of a value near 0 would be no useful
// bound.
constexpr double quick = 0.003, slow = 1e-5;

std::vector<double> smoothed_losses(Trainee& trainee, double learning_rate) {
  const std::vector<double> losses = trainee.train(0, steps, 1, learning_rate);
  std::vector<double> means;
  for (auto window = losses.begin(); window + smoothed_over <= losses.end(); ++window) {
    means.push_back(std::accumulate(window, window + smoothed_over, 0.0) / smoothed_over);
  }
  return means;
}

std::vector<double> perturbed_losses(std::uint64_t draw) {
  Trainee trainee(Cpu(1, ConvolutionAlgorithm::direct));
  trainee.model.net.visit([draw](const std::string& name, Parameter& parameter) {
    const Random random(draw, stream_of(name));
    std::uint64_t i = 0;
    for (float& value : parameter.value.data<float>()) value *= static_cast<float>(1 + 1e-6 * random.normal(i++));
  });
  return smoothed_losses(trainee, quick);
}

double largest_gap(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double gap = 0;
  for (std::size_t i = 0; i < a.size(); ++i) gap = std::max(gap, std::abs(a[i] - b[i]));
  return gap;
}

}  // namespace

TEMPLATE_TEST_CASE("training: the loss curve is as near to the CPU's as rounding lets it be", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("training: loss curve", [](Parity& parity) {
    Trainee here(Cpu(1, ConvolutionAlgorithm::direct)), there(parity.cuda);
    const double learning_rate = TestType::precision == ProductPrecision::bf16 ? slow : quick;
    const std::vector<double> wanted = smoothed_losses(here, learning_rate), found = smoothed_losses(there, learning_rate);
    CHECK(wanted.back() < wanted.front());  // the net learns, so that the curves can differ
    if (TestType::precision == ProductPrecision::bf16) {
      CHECK(found.back() == Approx(wanted.back()).epsilon(0.03));
      return;
    }
    double allowed = 0;
    for (std::uint64_t draw = 1; draw <= 5; ++draw) allowed = std::max(allowed, largest_gap(wanted, perturbed_losses(draw)));
    CHECK(largest_gap(wanted, found) <= allowed);
  });
}
