#include <amnet/kernels/prelu.h>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

// Shapes (..., C): whole packs of 16 bytes, odd ones, one channel, more channels than a block has
// threads.
const Shape shapes[] = {{2, 5, 3, 64}, {3, 7}, {1, 1}, {513, 1}, {2, 300}, {1, 9, 2, 24}};

}  // namespace

TEMPLATE_TEST_CASE("prelu: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("prelu: forward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const std::int64_t slopes : {shape[shape.rank() - 1], std::int64_t{1}}) {
        const Both x = parity.activation(shape), slope = parity.parameter({slopes}), y = parity.output(x);
        prelu_forward(parity.cpu, x.host, slope.host, y.host);
        prelu_forward(parity.cuda, x.device, slope.device, y.device);
        parity.check_same(y);
      }
    }
  });
}

TEMPLATE_TEST_CASE("prelu: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("prelu: backward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const std::int64_t slopes : {shape[shape.rank() - 1], std::int64_t{1}}) {
        for (const Write write_x : {Write::skip, Write::assign, Write::add}) {
          for (const Write write_slope : {Write::skip, Write::assign, Write::add}) {
            const Both x = parity.activation(shape), slope = parity.parameter({slopes}), dy = parity.activation(shape, 3);
            const BothGradients dx = parity.gradient(x, write_x), dslope = parity.gradient(slope, write_slope);
            prelu_backward(parity.cpu, x.host, slope.host, dy.host, dx.host, dslope.host);
            prelu_backward(parity.cuda, x.device, slope.device, dy.device, dx.device, dslope.device);
            parity.check_same(dx);
            parity.check_same(dslope);
          }
        }
      }
    }
  });
}
