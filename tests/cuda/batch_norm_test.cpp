#include <amnet/kernels/batch_norm.h>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

constexpr double epsilon = 1e-5;

// Shapes (..., C): whole packs, odd ones, one channel, more channels than a block has threads, more
// rows than one round of the grid.
const Shape shapes[] = {{2, 5, 3, 64}, {3, 7}, {1, 3}, {2050, 1}, {2, 300}, {1, 9, 2, 24}};

Both positive(Parity& parity, std::int64_t channels) {
  const Tensor host = parity.parameter({channels}).host;
  for (float& value : host.data<float>()) value = 0.25F + std::abs(value);
  return parity.same(host);
}

/// An activation without negative values: its sums do not cancel, so that their errors stay small
/// relative to them.
Both magnitudes(Parity& parity, const Shape& shape) {
  const Both both = parity.activation(shape);
  for (float& value : both.host.data<float>()) value = std::abs(value);
  const Tensor device = both.device.to(Memory::host);
  if (device.dtype() == DType::bf16) {
    for (BFloat16& value : device.data<BFloat16>()) value.bits &= 0x7fffU;
  } else {
    device.copy_from(both.host);
  }
  return {both.host, device.to(Memory::cuda)};
}

}  // namespace

TEMPLATE_TEST_CASE("batch_norm: statistics", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("batch_norm: statistics", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      const Shape channels{shape[shape.rank() - 1]};
      const Both x = magnitudes(parity, shape), mean = parity.output(channels, false), variance = parity.output(channels, false);
      batch_norm_statistics(parity.cpu, x.host, mean.host, variance.host);
      batch_norm_statistics(parity.cuda, x.device, mean.device, variance.device);
      parity.check_same(mean);
      parity.check_same(variance);
    }
  });
}

TEST_CASE("batch_norm: a small variance about a large mean is not lost", "[gpu]") {
  for_each_machine<F32>("batch_norm: a small variance about a large mean is not lost", [](Parity& parity) {
    const Tensor far = parity.parameter({40, 5}).host;
    for (float& value : far.data<float>()) value += 300;
    const Both x = parity.same(far), mean = parity.output({5}, false), variance = parity.output({5}, false), y = parity.output(x);
    batch_norm_statistics(parity.cpu, x.host, mean.host, variance.host);
    batch_norm_statistics(parity.cuda, x.device, mean.device, variance.device);
    parity.check_same(variance);
    const Both same_mean = parity.same(mean.host), same_variance = parity.same(variance.host);
    batch_norm_forward(parity.cpu, epsilon, x.host, same_mean.host, same_variance.host, {}, {}, y.host);
    batch_norm_forward(parity.cuda, epsilon, x.device, same_mean.device, same_variance.device, {}, {}, y.device);
    parity.check_same(y);
  });
}

TEMPLATE_TEST_CASE("batch_norm: update", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("batch_norm: update", [](Parity& parity) {
    for (const std::int64_t channels : {3, 300}) {
      const Both running_mean = parity.parameter({channels}), running_variance = positive(parity, channels);
      const Both weight = parity.same(Tensor::zeros({1}, DType::f32).clone());
      for (const std::int64_t samples : {1, 2, 50}) {
        const Both mean = parity.parameter({channels}), variance = positive(parity, channels);
        batch_norm_update(parity.cpu, 0.9, samples, mean.host, variance.host, running_mean.host, running_variance.host, weight.host);
        batch_norm_update(parity.cuda, 0.9, samples, mean.device, variance.device, running_mean.device, running_variance.device,
                          weight.device);
        parity.check_same(running_mean);
        parity.check_same(running_variance);
        parity.check_same(weight);
      }
    }
  });
}

TEMPLATE_TEST_CASE("batch_norm: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("batch_norm: forward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const bool affine : {true, false}) {
        const std::int64_t channels = shape[shape.rank() - 1];
        const Both x = parity.activation(shape), mean = parity.parameter({channels}), variance = positive(parity, channels);
        const Both scale = affine ? parity.parameter({channels}) : Both{}, shift = affine ? parity.parameter({channels}) : Both{};
        const Both y = parity.output(x);
        batch_norm_forward(parity.cpu, epsilon, x.host, mean.host, variance.host, scale.host, shift.host, y.host);
        batch_norm_forward(parity.cuda, epsilon, x.device, mean.device, variance.device, scale.device, shift.device, y.device);
        parity.check_same(y);
      }
    }
  });
}

TEMPLATE_TEST_CASE("batch_norm: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("batch_norm: backward", [](Parity& parity) {
    const Write writes[] = {Write::skip, Write::assign, Write::add};
    for (const Shape& shape : shapes) {
      for (const bool stored : {false, true}) {
        for (const Write write_x : writes) {
          for (int k = 0; k < 3; ++k) {
            const std::int64_t channels = shape[shape.rank() - 1];
            const Both x = magnitudes(parity, shape), dy = magnitudes(parity, shape);
            const Tensor means({channels}, DType::f32);
            means.fill(-0.5);  // less than all x
            const Both mean = parity.same(means), variance = positive(parity, channels);
            const Both scale = parity.parameter({channels}), used = k == 0 ? Both{} : scale;
            const BothGradients dx = parity.gradient(x, write_x);
            const BothGradients dscale = parity.gradient(scale, writes[k]), dshift = parity.gradient(scale, writes[(k + 1) % 3]);
            batch_norm_backward(parity.cpu, epsilon, stored, x.host, mean.host, variance.host, used.host, dy.host, dx.host, dscale.host,
                                dshift.host);
            batch_norm_backward(parity.cuda, epsilon, stored, x.device, mean.device, variance.device, used.device, dy.device, dx.device,
                                dscale.device, dshift.device);
            parity.check_same(dx);
            parity.check_same(dscale);
            parity.check_same(dshift);
          }
        }
      }
    }
  });
}
