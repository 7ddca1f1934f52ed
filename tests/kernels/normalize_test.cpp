#include <amnet/kernels/normalize.h>
#include <amnet/layers/normalize.h>

#include <cmath>

#include <vector>

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

TEST_CASE("normalize: l1 rows, their norms and gradients", "[normalize]") {
  Cpu cpu(2);
  const Tensor x = Tensor::of<double>({2, 3}, {1, -3, 0, 0, 0, 0}), y({2, 3}, DType::f64), norm({2}, DType::f64), dx({2, 3}, DType::f64);
  l1_normalize_forward(cpu, x, 0.5, y, norm);
  CHECK(norm.data<double>()[0] == 4.5);
  CHECK(y.data<double>()[1] == Approx(-3 / 4.5));
  CHECK(norm.data<double>()[1] == 0.5);
  CHECK(y.data<double>()[3] == 0);
  const Tensor dy = Tensor::of<double>({2, 3}, {2, 5, 7, 1, 2, 3}), dnorm = Tensor::of<double>({2}, {10, 20});
  const double along = (2 - 15) / 4.5;  // of y and dy
  for (const bool undivided : {false, true}) {
    const double by = undivided ? 1 : 4.5;
    l1_normalize_backward(cpu, y, norm, dy, dnorm, {dx, Write::assign}, undivided);
    CHECK(dx.data<double>()[0] == Approx((2 - along) / by + 10));
    CHECK(dx.data<double>()[1] == Approx((5 + along) / by - 10));
    CHECK(dx.data<double>()[2] == Approx(7 / by));
  }
}

TEST_CASE("normalize: the reference code's gradient is not divided by the norm", "[normalize]") {
  Cpu cpu(1);
  const Tensor y = Tensor::of<double>({1, 2}, {0.6, 0.8}), norm = Tensor::of<double>({1}, {5.0}),
               dy = Tensor::of<double>({1, 2}, {1.0, 2.0});
  const Tensor dnorm = Tensor::of<double>({1}, {10.0}), dx({1, 2}, DType::f64);
  normalize_backward(cpu, y, norm, dy, dnorm, {dx, Write::assign}, true);
  CHECK(dx.data<double>()[0] == Approx(1 - 0.6 * 2.2 + 6));
  CHECK(dx.data<double>()[1] == Approx(2 - 0.8 * 2.2 + 8));
}

TEST_CASE("normalize: the gradient of the norm output can be dropped", "[normalize]") {
  Device device = Cpu(1);
  Context context{.device = device, .phase = Phase::train};
  for (const NormKind kind : {NormKind::l2, NormKind::l1}) {
    const auto gradient = [&](bool norm_gradient, double dnorm) {
      const Normalize layer({.norm_output = true, .kind = kind, .norm_gradient = norm_gradient});
      const std::vector<Tensor> inputs{Tensor::of<double>({1, 2}, {3, 4})}, outputs{Tensor({1, 2}, DType::f64), Tensor({1, 1}, DType::f64)};
      layer.forward({context, inputs, outputs, {}});
      const std::vector<Tensor> slopes{Tensor::of<double>({1, 2}, {1, 2}), Tensor::of<double>({1, 1}, {dnorm})};
      const std::vector<Gradient> into{{Tensor({1, 2}, DType::f64), Write::assign}};
      layer.backward({context, {}, outputs, {}, slopes, into});
      return std::vector<double>{into[0].tensor.data<double>()[0], into[0].tensor.data<double>()[1]};
    };
    CHECK(gradient(false, 7) == gradient(true, 0));
    CHECK(gradient(true, 7) != gradient(true, 0));
  }
}
