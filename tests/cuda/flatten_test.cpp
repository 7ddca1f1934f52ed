#include <amnet/kernels/flatten.h>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

// Whole tiles of 32 x 32, parts of them, one more than whole ones, one pixel, one channel, and
// rows.
const Shape shapes[] = {{2, 8, 4, 64}, {2, 7, 6, 40}, {1, 33, 1, 65}, {3, 2, 3, 5}, {2, 5, 5, 1}, {2, 1, 1, 9}, {3, 7}, {1, 1}};

Shape flattened(const Shape& shape) { return {shape[0], shape.count_from(1)}; }

}  // namespace

TEMPLATE_TEST_CASE("flatten: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("flatten: forward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      const Both x = parity.activation(shape), y = parity.output(flattened(shape), true);
      flatten_forward(parity.cpu, x.host, y.host);
      flatten_forward(parity.cuda, x.device, y.device);
      parity.check_each(y);
    }
  });
}

TEMPLATE_TEST_CASE("flatten: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("flatten: backward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const Write write : {Write::skip, Write::assign, Write::add}) {
        const Both dy = parity.activation(flattened(shape));
        const BothGradients dx = parity.gradient(parity.output(shape, true), write);
        flatten_backward(parity.cpu, dy.host, dx.host);
        flatten_backward(parity.cuda, dy.device, dx.device);
        parity.check_each(dx);
      }
    }
  });
}

TEST_CASE("flatten: refuses other shapes by name", "[gpu]") {
  for_each_machine<F32>("flatten: refuses other shapes by name", [](Parity& parity) {
    const Both x = parity.activation({2, 3, 4}), y = parity.output(Shape{2, 13}, true);
    CHECK_THROWS_WITH(flatten_forward(parity.cuda, x.device, y.device), "[flatten] expected (N,H,W,C) or (N,D) but got (2,3,4).");
    CHECK_THROWS_WITH(flatten_forward(parity.cuda, parity.activation({2, 3, 2, 2}).device, y.device),
                      "[flatten] expected two tensors of one size but got (2,3,2,2) and (2,13).");
  });
}
