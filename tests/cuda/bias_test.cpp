#include <amnet/kernels/bias.h>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

// One channel, more channels than a block has threads, a number of rows that blocks do not divide
// evenly, more rows than a grid has threads, and no rows.
const Shape shapes[] = {{2, 5, 3, 64}, {3, 7}, {1, 1}, {5000, 1}, {2, 300}, {9, 513}, {3, 2064}, {1, 9, 2, 24}, {8000, 3}, {0, 5}};

}  // namespace

// The sums are f32 sums of values that both devices hold exactly: bf16 has the same tolerance as
// f32.
TEMPLATE_TEST_CASE("bias: backward", "[gpu]", F32, Bf16) {
  for_each_machine("bias: backward", TestType::precision, F32::bound, [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const bool feature : {false, true}) {
        for (const Write write : {Write::skip, Write::assign, Write::add}) {
          const Both dy = feature ? parity.parameter(shape, 3) : parity.activation(shape, 3);
          const BothGradients dbias = parity.gradient(parity.output(Shape{shape[shape.rank() - 1]}, false), write);
          bias_backward(parity.cpu, dy.host, dbias.host);
          bias_backward(parity.cuda, dy.device, dbias.device);
          parity.check_same(dbias);
        }
      }
    }
  });
}

TEST_CASE("bias: refuses another shape by name", "[gpu]") {
  for_each_machine<F32>("bias: refuses another shape by name", [](Parity& parity) {
    const Both dy = parity.activation({2, 3});
    CHECK_THROWS_WITH(bias_backward(parity.cuda, dy.device, {dy.device, Write::assign}),
                      "[bias] expected a gradient of f32 (3) but got f32 (2,3).");
  });
}
