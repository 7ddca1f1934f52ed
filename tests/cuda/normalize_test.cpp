#include <amnet/kernels/normalize.h>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

// Rows of a warp and of a block, packed and not packed, one and many of them.
const Shape shapes[] = {{5, 512}, {3, 7}, {1, 3}, {9, 8}, {2, 3, 40}, {33, 12}, {2, 1030}, {3, 2048}, {1, 2500}};

/// The output of a forward pass: a row of length 1 and its norm, the device's on both.
struct Unit {
  Both y, norm;
};
Unit unit_rows(Parity& parity, const Shape& shape) {
  const Both x = parity.activation(shape), y = parity.output(x), norm = parity.output(shape.with(shape.rank() - 1, 1), false);
  normalize_forward(parity.cuda, x.device, 1e-12, y.device, norm.device);
  return {{Parity::fetched(y.device), y.device}, {Parity::fetched(norm.device), norm.device}};
}

}  // namespace

TEMPLATE_TEST_CASE("normalize: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("normalize: forward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const double epsilon : {1e-12, 0.5}) {
        const Both x = parity.activation(shape), y = parity.output(x);
        const Both norm = parity.output(shape.with(shape.rank() - 1, 1), false), norm_in_place = parity.output(norm);
        normalize_forward(parity.cpu, x.host, epsilon, y.host, norm.host);
        normalize_forward(parity.cuda, x.device, epsilon, y.device, norm.device);
        parity.check_same(y);
        parity.check_same(norm);
        normalize_forward(parity.cpu, x.host, epsilon, x.host, norm_in_place.host);
        normalize_forward(parity.cuda, x.device, epsilon, x.device, norm_in_place.device);
        parity.check_same(x);
        parity.check_same(norm_in_place);
      }
    }
  });
}

TEMPLATE_TEST_CASE("normalize: a row of zeros has a finite norm and output", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("normalize: a row of zeros has a finite norm and output", [](Parity& parity) {
    const Tensor zeros = Tensor::zeros({2, 24}, DType::f32);
    const Both y = parity.output({2, 24}, false), norm = parity.output({2, 1}, false);
    normalize_forward(parity.cpu, zeros, 1e-12, y.host, norm.host);
    normalize_forward(parity.cuda, zeros.to(Memory::cuda), 1e-12, y.device, norm.device);
    parity.check_same(y);
    parity.check_same(norm);
  });
}

TEMPLATE_TEST_CASE("normalize: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("normalize: backward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const Write write : {Write::skip, Write::assign, Write::add}) {
        for (const auto& [with_dy, with_dnorm] : {std::pair{true, false}, {true, true}, {false, true}, {false, false}}) {
          const std::int64_t rows = shape.count() / shape[shape.rank() - 1];
          const auto [y, norm] = unit_rows(parity, shape);
          const Both dy = with_dy ? parity.activation(shape) : Both{}, dnorm = with_dnorm ? parity.parameter({rows, 1}) : Both{};
          const BothGradients dx = parity.gradient(y, write);
          normalize_backward(parity.cpu, y.host, norm.host, dy.host, dnorm.host, dx.host);
          normalize_backward(parity.cuda, y.device, norm.device, dy.device, dnorm.device, dx.device);
          parity.check_same(dx);
        }
      }
    }
  });
}

TEST_CASE("normalize: backward without the division by the norm", "[gpu]") {
  for_each_machine<F32>("normalize: backward without the division by the norm", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      const std::int64_t rows = shape.count() / shape[shape.rank() - 1];
      const auto [y, norm] = unit_rows(parity, shape);
      const Both dy = parity.activation(shape), dnorm = parity.parameter({rows, 1});
      const BothGradients dx = parity.gradient(y, Write::assign);
      normalize_backward(parity.cpu, y.host, norm.host, dy.host, dnorm.host, dx.host, true);
      normalize_backward(parity.cuda, y.device, norm.device, dy.device, dnorm.device, dx.device, true);
      parity.check_same(dx);
    }
  });
}

TEST_CASE("normalize: a GPU refuses what a CPU refuses", "[gpu]") {
  for_each_machine<F32>("normalize: a GPU refuses what a CPU refuses", [](Parity& parity) {
    const Both x = parity.parameter({4, 6}), y = parity.output({4, 5}, false), norm = parity.output({4, 1}, false);
    CHECK_THROWS_AS(normalize_forward(parity.cuda, x.device, 0, y.device, norm.device), UsageError);
    CHECK_THROWS_AS(normalize_forward(parity.cuda, x.device, 0, x.device, y.device), UsageError);
    CHECK_THROWS_AS(normalize_forward(parity.cuda, x.host, 0, x.host, norm.host), UsageError);
  });
}
