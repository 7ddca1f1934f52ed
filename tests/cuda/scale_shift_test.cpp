#include <amnet/kernels/scale_shift.h>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

constexpr Write writes[] = {Write::skip, Write::assign, Write::add};

// Shapes (..., C): whole packs of 16 bytes, odd ones, one channel, more channels than a block has
// threads.
const Shape shapes[] = {{2, 5, 3, 64}, {3, 7}, {4, 1}, {513, 1}, {2, 300}, {1, 9, 2, 24}};

/// Tensors of a shape, with one scale for each channel or one shared scale; the sums in the
/// gradients do not cancel.
struct Case {
  Both x, scale, shift, dy;
  BothGradients dx, dscale, dshift;

  Case(Parity& parity, const Shape& shape, bool in_all, Write write_x, Write write_scale, Write write_shift)
      : x(parity.activation(shape, 3)),
        scale(parity.parameter({in_all ? 1 : shape[shape.rank() - 1]})),
        shift(parity.parameter(scale.host.shape())),
        dy(parity.activation(shape, 3)),
        dx(parity.gradient(x, write_x)),
        dscale(parity.gradient(scale, write_scale)),
        dshift(parity.gradient(shift, write_shift)) {}

  void check_backward(Parity& parity) const {
    const bool wanted = static_cast<bool>(dscale.host);  // otherwise x may be undefined
    scale_shift_backward(parity.cpu, wanted ? x.host : Tensor(), scale.host, dy.host, dx.host, dscale.host, dshift.host);
    scale_shift_backward(parity.cuda, wanted ? x.device : Tensor(), scale.device, dy.device, dx.device, dscale.device, dshift.device);
    parity.check_each(dx);
    parity.check_same(dscale);
    parity.check_same(dshift);
  }
};

}  // namespace

TEMPLATE_TEST_CASE("scale_shift: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("scale_shift: forward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const bool in_all : {false, true}) {
        for (const bool shifted : {false, true}) {
          const Case with(parity, shape, in_all, Write::skip, Write::skip, Write::skip);
          const Both y = parity.output(with.x);
          scale_shift_forward(parity.cpu, with.x.host, with.scale.host, shifted ? with.shift.host : Tensor(), y.host);
          scale_shift_forward(parity.cuda, with.x.device, with.scale.device, shifted ? with.shift.device : Tensor(), y.device);
          parity.check_each(y);
        }
      }
    }
  });
}

// The sums are f32 sums of values that both devices hold exactly: bf16 has the same tolerance as
// f32.
TEMPLATE_TEST_CASE("scale_shift: backward, written in every way", "[gpu]", F32, Bf16) {
  for_each_machine("scale_shift: backward, written in every way", TestType::precision, F32::bound, [](Parity& parity) {
    for (const Write write_x : writes) {
      for (const Write write_scale : writes) {
        for (const Write write_shift : writes) {
          for (const bool in_all : {false, true}) Case(parity, {5, 24}, in_all, write_x, write_scale, write_shift).check_backward(parity);
        }
      }
    }
  });
}

TEMPLATE_TEST_CASE("scale_shift: backward, of every shape", "[gpu]", F32, Bf16) {
  for_each_machine("scale_shift: backward, of every shape", TestType::precision, F32::bound, [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const bool in_all : {false, true}) {
        Case(parity, shape, in_all, Write::assign, Write::assign, Write::assign).check_backward(parity);
        Case(parity, shape, in_all, Write::add, Write::add, Write::skip).check_backward(parity);
      }
    }
  });
}

TEMPLATE_TEST_CASE("scale_shift: backward over x itself", "[gpu]", F32, Bf16) {
  for_each_machine("scale_shift: backward over x itself", TestType::precision, F32::bound, [](Parity& parity) {
    for (const bool in_all : {false, true}) {
      Case over(parity, {40, 24}, in_all, Write::skip, Write::assign, Write::assign);
      over.dx = {{over.x.host, Write::assign}, {over.x.device, Write::assign}};
      over.check_backward(parity);
    }
  });
}

TEST_CASE("scale_shift: refuses another number of scales by name", "[gpu]") {
  for_each_machine<F32>("scale_shift: refuses another number of scales by name", [](Parity& parity) {
    const Both x = parity.activation({2, 3}), scale = parity.parameter({2});
    CHECK_THROWS_WITH(scale_shift_forward(parity.cuda, x.device, scale.device, {}, x.device),
                      "[scale_shift] expected one scale for each of 3 channels, or one in all, but got (2).");
  });
}
