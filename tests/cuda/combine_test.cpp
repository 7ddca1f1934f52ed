#include <amnet/kernels/combine.h>

#include <vector>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

const Shape shapes[] = {{2, 5, 3, 16}, {3, 7}, {1, 1}, {37, 3601}};

struct Terms {
  std::vector<Tensor> host, device;

  Terms(Parity& parity, const Shape& shape, int count) {
    for (int i = 0; i < count; ++i) {
      const Both x = parity.activation(shape, 1);
      host.push_back(x.host);
      device.push_back(x.device);
    }
  }
  /// The first two are equal in their first row, so that the rule for equal maxima matters.
  void make_equal() {
    for (std::vector<Tensor>* xs : {&host, &device}) (*xs)[1].slice(0, 1).copy_from((*xs)[0].slice(0, 1));
  }
};

std::vector<CombineRule> rules_for(int count) {
  std::vector<double> coefficients;
  for (int i = 0; i < count; ++i) coefficients.push_back(0.5 + i);
  return {{}, {.coefficients = coefficients}, {.operation = Combination::product}, {.operation = Combination::maximum}};
}

}  // namespace

TEMPLATE_TEST_CASE("combine: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("combine: forward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const int count : {2, 3, 5}) {
        for (const CombineRule& rule : rules_for(count)) {
          const Terms xs(parity, shape, count);
          const Both y = parity.output(shape, true);
          combine_forward(parity.cpu, rule, xs.host, y.host);
          combine_forward(parity.cuda, rule, xs.device, y.device);
          parity.check_same(y);
        }
      }
    }
  });
}

TEMPLATE_TEST_CASE("combine: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("combine: backward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const int count : {2, 4}) {
        for (const CombineRule& rule : rules_for(count)) {
          Terms xs(parity, shape, count);
          xs.make_equal();
          const Both dy = parity.activation(shape, 1);
          for (std::size_t which = 0; which < xs.host.size(); ++which) {
            for (const Write write : {Write::skip, Write::assign, Write::add}) {
              const BothGradients dx = parity.gradient(dy, write);
              combine_backward(parity.cpu, rule, xs.host, which, dy.host, dx.host);
              combine_backward(parity.cuda, rule, xs.device, which, dy.device, dx.device);
              parity.check_each(dx);
            }
          }
        }
      }
    }
  });
}
