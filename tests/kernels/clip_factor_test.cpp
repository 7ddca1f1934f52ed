#include <amnet/kernels/clip_factor.h>

#include <limits>

#include "catch.h"

using namespace amnet;

TEST_CASE("clip factor: longer gradients are scaled to the norm, others stay as they are", "[clip_factor]") {
  Cpu cpu(1);
  const auto factor_of = [&](double squares, double norm) {
    const Tensor factor = Tensor::of<double>({1}, {7});
    clip_factor(cpu, Tensor::of<double>({1}, {squares}), norm, factor);
    return factor.item();
  };
  CHECK(factor_of(25, 2) == Approx(0.4));
  CHECK(factor_of(25, 5) == 1);  // not longer
  CHECK(factor_of(24, 5) == 1);
  CHECK(factor_of(0, 5) == 1);
  CHECK(factor_of(std::numeric_limits<double>::quiet_NaN(), 5) == 1);
}
