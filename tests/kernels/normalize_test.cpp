#include <amnet/kernels/normalize.h>

#include <cmath>

#include "catch.h"

using namespace amnet;

TEST_CASE("normalize: rows get length 1 and the norm stands beside them", "[normalize]") {
  Cpu cpu(1);
  const Tensor x = Tensor::of<double>({2, 2}, {3, 4, -5, 12});
  const Tensor y(x.shape(), DType::f64);
  const Tensor norm({2, 1}, DType::f64);
  normalize_forward(cpu, x, 0, y, norm);
  CHECK(norm.data<double>()[0] == Approx(5));
  CHECK(norm.data<double>()[1] == Approx(13));
  CHECK(y.data<double>()[1] == Approx(0.8));
  CHECK(y.data<double>()[2] == Approx(-5.0 / 13));
  normalize_forward(cpu, x, 11, y, norm);  // epsilon inside the root: sqrt(25 + 11) = 6
  CHECK(norm.data<double>()[0] == Approx(6));
  CHECK(y.data<double>()[0] == Approx(0.5));
  normalize_forward(cpu, x, 0, x, norm);  // in place
  CHECK(x.data<double>()[0] == Approx(0.6));
}

TEST_CASE("normalize: a zero row has finite values and gradients", "[normalize]") {
  Cpu cpu(1);
  const Tensor x = Tensor::zeros({1, 700}, DType::f32);
  const Tensor y(x.shape(), DType::f32);
  const Tensor norm({1}, DType::f32);
  const Tensor dx(x.shape(), DType::f32);
  const Tensor dy(x.shape(), DType::f32);
  dy.fill(0.5);
  normalize_forward(cpu, x, 1e-12, y, norm);
  normalize_backward(cpu, y, norm, dy, {}, {dx, Write::assign});
  CHECK(norm.data<float>()[0] == Approx(1e-6));
  for (std::size_t i = 0; i < 700; ++i) {
    CHECK(y.data<float>()[i] == 0);
    CHECK(dx.data<float>()[i] == Approx(0.5e6));
  }
}

TEST_CASE("normalize: the gradient is perpendicular to the row, that of the norm lies along it", "[normalize]") {
  Cpu cpu(1);
  const Tensor y = Tensor::of<double>({1, 2}, {0.6, 0.8});
  const Tensor norm = Tensor::of<double>({1}, {5.0});
  const Tensor dy = Tensor::of<double>({1, 2}, {1.0, 2.0});
  const Tensor dnorm = Tensor::of<double>({1}, {10.0});
  const Tensor dx({1, 2}, DType::f64);
  normalize_backward(cpu, y, norm, dy, {}, {dx, Write::assign});
  CHECK(dx.data<double>()[0] * 0.6 + dx.data<double>()[1] * 0.8 == Approx(0).margin(1e-15));
  CHECK(dx.data<double>()[1] == Approx((2 - 0.8 * 2.2) / 5));
  normalize_backward(cpu, y, norm, {}, dnorm, {dx, Write::assign});
  CHECK(dx.data<double>()[0] == Approx(6));
  CHECK_THROWS_AS(normalize_backward(cpu, y, Tensor({2}, DType::f64), dy, {}, {dx, Write::assign}), UsageError);
}
