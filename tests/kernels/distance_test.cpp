#include <amnet/kernels/distance.h>

#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

namespace {

using Values = std::vector<double>;
const Tensor points = Tensor::of<double>({2, 2}, {1, 2, -1, 0}), centres = Tensor::of<double>({3, 2}, {0, 0, 1, 1, 4, 2});
const Tensor slopes = Tensor::of<double>({2, 3}, {1, 10, 100, 2, 20, 200});

struct Both {
  Values dx, dw;
};
Both gradients(const DistanceGradientOptions& options, const Tensor& labels = {}) {
  Cpu cpu(2);
  const Tensor dx(points.shape(), DType::f64), dw(centres.shape(), DType::f64);
  distance_backward(cpu, options, points, centres, labels, slopes, {dx, Write::assign}, {dw, Write::assign});
  return {values_of<double>(dx), values_of<double>(dw)};
}

}  // namespace

TEST_CASE("distance: squares or absolute values of the differences, summed", "[distance]") {
  Cpu cpu(1);
  const Tensor y({2, 3}, DType::f64);
  distance_forward(cpu, DistanceKind::l2, points, centres, y);
  CHECK(values_of<double>(y) == Values{5, 1, 9, 1, 5, 29});
  distance_forward(cpu, DistanceKind::l1, points, centres, y);
  CHECK(values_of<double>(y) == Values{3, 1, 3, 1, 3, 7});
  CHECK_THROWS_WITH(distance_forward(cpu, DistanceKind::l2, points, Tensor({3, 4}, DType::f64), y),
                    "[distance] expected x (N,I) and centres (O,I) with one I and one dtype but got f64 (2,2) and f64 (3,4).");
}

TEST_CASE("distance: gradients of both sides, and of the centres of the labels alone", "[distance]") {
  const Both all = gradients({});
  CHECK(all.dx == Values{2 * (1 - 300), 2 * (2 + 10), 2 * (-2 - 40 - 1000), 2 * (-20 - 400)});
  CHECK(all.dw == Values{2 * (-1 + 2), 2 * -2, 2 * 40, 2 * (-10 + 20), 2 * (300 + 1000), 2 * 400});
  const Both own = gradients({}, Tensor::of<std::int64_t>({2}, {1, 1}));
  CHECK(own.dx == all.dx);
  CHECK(own.dw == Values{0, 0, 80, 20, 0, 0});
  CHECK(gradients({.kind = DistanceKind::l1}).dx == Values{1 - 100, 1 + 10, -2 - 20 - 200, -20 - 200});
}

TEST_CASE("distance: the reference code's slip in the sign", "[distance]") {
  // g sign(z) as g [0 < z] - [z < 0]: a negative difference gives -1, whatever g is.
  const Both both = gradients({.kind = DistanceKind::l1, .reference = true});
  CHECK(both.dx == Values{1 - 1, 1 + 10, -3, -2});
  CHECK(both.dw == Values{-1 + 2, -1, 20, -1 + 20, 100 + 200, 200});
}
