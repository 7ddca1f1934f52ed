#include <amnet/kernels/sample_scale.h>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

struct Size {
  Shape x, scales;
};
// Parts of a warp and of a block, packed and not packed, of samples and of positions.
const Size sizes[] = {{{5, 512}, {5}},  {{3, 7}, {3, 1}}, {{2, 3, 2, 40}, {2}}, {{2, 3, 2, 5}, {2, 3, 2, 1}},
                      {{2, 1030}, {2}}, {{2, 2048}, {2}}};

/// Scales that are activations, or f32 as norms are.
Both scales_of(Parity& parity, const Shape& shape, bool exact) { return exact ? parity.parameter(shape, 3) : parity.activation(shape, 3); }

}  // namespace

TEMPLATE_TEST_CASE("sample_scale: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("sample_scale: forward", [](Parity& parity) {
    for (const Size& size : sizes) {
      for (const bool exact : {false, true}) {
        const Both x = parity.activation(size.x), scales = scales_of(parity, size.scales, exact), y = parity.output(x);
        sample_scale_forward(parity.cpu, x.host, scales.host, y.host);
        sample_scale_forward(parity.cuda, x.device, scales.device, y.device);
        parity.check_each(y);
      }
    }
  });
}

TEMPLATE_TEST_CASE("sample_scale: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("sample_scale: backward", [](Parity& parity) {
    for (const Size& size : sizes) {
      for (const bool exact : {false, true}) {
        for (const Write write : {Write::skip, Write::assign, Write::add}) {
          for (const Write write_scales : {Write::skip, Write::assign, Write::add}) {
            const Both x = parity.activation(size.x, 2), dy = parity.activation(size.x, 1), scales = scales_of(parity, size.scales, exact);
            const BothGradients dx = parity.gradient(x, write), dscales = parity.gradient(scales, write_scales);
            sample_scale_backward(parity.cpu, x.host, scales.host, dy.host, dx.host, dscales.host);
            sample_scale_backward(parity.cuda, x.device, scales.device, dy.device, dx.device, dscales.device);
            parity.check_same(dx);
            parity.check_same(dscales);
          }
        }
      }
    }
  });
}

TEMPLATE_TEST_CASE("sample_scale: the running scale", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("sample_scale: the running scale", [](Parity& parity) {
    for (const std::int64_t count : {1, 40, 700}) {
      for (const float before : {-1.0F, 5.0F, 0.5F}) {
        for (const GlobalScaleUpdate& update :
             {GlobalScaleUpdate{}, GlobalScaleUpdate{.low = 2, .high = 2.5}, GlobalScaleUpdate{.moves = false, .high = 3}}) {
          const Both scales = parity.activation({count}, 0.5), running = parity.same(Tensor::of<float>({1}, {before}));
          global_scale_update(parity.cpu, update, scales.host, running.host);
          global_scale_update(parity.cuda, update, scales.device, running.device);
          parity.check_same(running);
        }
      }
    }
  });
}
