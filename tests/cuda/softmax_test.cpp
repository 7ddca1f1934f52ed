#include <amnet/kernels/softmax.h>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

// Rows shorter and longer than a block has threads, and one column.
const Shape shapes[] = {{2, 5, 3, 16}, {3, 7}, {4, 1}, {5, 256}, {2, 1031}, {300, 40}};

}  // namespace

TEMPLATE_TEST_CASE("softmax: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("softmax: forward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      const Both x = parity.activation(shape, 200), y = parity.output(x);
      softmax_forward(parity.cpu, x.host, y.host);
      softmax_forward(parity.cuda, x.device, y.device);
      parity.check_each(y);
      parity.check_same(y);
    }
  });
}

TEMPLATE_TEST_CASE("softmax: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("softmax: backward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const Write write : {Write::skip, Write::assign, Write::add}) {
        const Both y = parity.activation(shape, 1), dy = parity.activation(shape);
        const BothGradients dx = parity.gradient(y, write);
        softmax_backward(parity.cpu, y.host, dy.host, dx.host);
        softmax_backward(parity.cuda, y.device, dy.device, dx.device);
        parity.check_same(dx);
      }
    }
  });
}
