#include <amnet/kernels/flip.h>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

// Odd and even widths, channels in whole packs and others, and more elements than a grid has
// threads.
const Shape shapes[] = {{2, 5, 3, 64}, {1, 1, 1, 1},  {2, 3, 7, 3},    {1, 2, 1, 8},
                        {3, 2, 30, 1}, {1, 2, 4, 12}, {1, 40, 45, 80}, {1, 61, 97, 3}};

}  // namespace

TEMPLATE_TEST_CASE("flip: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("flip: forward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      const Both x = parity.activation(shape), y = parity.output(x);
      flip_forward(parity.cpu, x.host, y.host);
      flip_forward(parity.cuda, x.device, y.device);
      parity.check_each(y);
    }
  });
}

TEMPLATE_TEST_CASE("flip: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("flip: backward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const Write write : {Write::skip, Write::assign, Write::add}) {
        const Both dy = parity.activation(shape);
        const BothGradients dx = parity.gradient(dy, write);
        flip_backward(parity.cpu, dy.host, dx.host);
        flip_backward(parity.cuda, dy.device, dx.device);
        parity.check_each(dx);
      }
    }
  });
}

TEMPLATE_TEST_CASE("flip: of lines, of both, of none", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("flip: of lines, of both, of none", [](Parity& parity) {
    for (const Shape& shape : {Shape{2, 5, 3, 64}, Shape{2, 3, 7, 3}, Shape{1, 61, 97, 3}}) {
      for (const FlipAxes& axes :
           {FlipAxes{.width = false, .height = true}, FlipAxes{.width = true, .height = true}, FlipAxes{.width = false, .height = false}}) {
        const Both x = parity.activation(shape), y = parity.output(x);
        flip_forward(parity.cpu, x.host, y.host, axes);
        flip_forward(parity.cuda, x.device, y.device, axes);
        parity.check_each(y);
        const BothGradients dx = parity.gradient(x, Write::add);
        flip_backward(parity.cpu, x.host, dx.host, axes);
        flip_backward(parity.cuda, x.device, dx.device, axes);
        parity.check_each(dx);
      }
    }
  });
}

TEST_CASE("flip: refuses what is no image by name", "[gpu]") {
  for_each_machine<F32>("flip: refuses what is no image by name", [](Parity& parity) {
    const Both x = parity.activation({2, 3});
    CHECK_THROWS_WITH(flip_forward(parity.cuda, x.device, x.device), "[flip] expected two images (N,H,W,C) but got (2,3) and (2,3).");
  });
}
