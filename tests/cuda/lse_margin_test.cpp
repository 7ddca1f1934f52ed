#include <amnet/kernels/lse_margin.h>

#include <cmath>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

struct Size {
  std::int64_t samples, classes;
};
// Rows of a warp and of a block, packed and not packed, and more samples than one round sums.
constexpr Size sizes[] = {{1, 2}, {6, 7}, {3, 1100}, {2, 2048}, {300, 8}};

Both labels_of(Parity& parity, const Size& size) {
  const Tensor labels({size.samples}, DType::i64);
  for (std::int64_t i = 0; i < size.samples; ++i)
    labels.data<std::int64_t>()[static_cast<std::size_t>(i)] = (i * 5 + size.classes - 1) % size.classes;
  return parity.same(labels);
}

/// Small cosines, and targets of about 0.8; `spread` moves every second target by so much.
Both cosines_of(Parity& parity, const Size& size, const Both& labels, float spread = 0) {
  const Tensor host = parity.parameter({size.samples, size.classes}).host;
  for (float& value : host.data<float>()) value *= 0.05F;
  for (std::int64_t i = 0; i < size.samples; ++i) {
    const std::int64_t label = labels.host.data<std::int64_t>()[static_cast<std::size_t>(i)];
    host.data<float>()[static_cast<std::size_t>(i * size.classes + label)] += 0.8F - (i % 2 == 0 ? spread : 0);
  }
  return parity.same(host);
}

Both norms_of(Parity& parity, const Size& size) { return parity.same(parity.parameter({size.samples, 1}, 20).host); }

Both one(Parity& parity, float value) { return parity.same(Tensor::of<float>({1}, {value})); }

}  // namespace

TEMPLATE_TEST_CASE("lse_margin: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("lse_margin: forward", [](Parity& parity) {
    for (const Size& size : sizes) {
      for (const bool with_norms : {false, true}) {
        // the first margin, a later one, and one far from all
        for (const float before : {0.0F, 0.6F, -20.0F}) {
          for (const float spread : {0.0F, 0.7F}) {        // one mode, or none near the mean
            for (const LseMarginOptions& options :
                 {LseMarginOptions{}, LseMarginOptions{.max_scale = 12}, LseMarginOptions{.min_scale = 40, .applies = false}}) {
              const Both labels = labels_of(parity, size), x = cosines_of(parity, size, labels, spread);
              const Both norms = with_norms ? norms_of(parity, size) : Both{}, scale = one(parity, 30), margin = one(parity, before);
              const Both applied = parity.output({1}, false), y = parity.output(x), statistics = parity.output({5}, false);
              lse_margin_forward(parity.cpu, options, x.host, labels.host, norms.host, scale.host, margin.host, applied.host, y.host,
                                 statistics.host);
              lse_margin_forward(parity.cuda, options, x.device, labels.device, norms.device, scale.device, margin.device, applied.device,
                                 y.device, statistics.device);
              for (const Both& both : {scale, margin, applied, y, statistics}) parity.check_same(both);
            }
          }
        }
      }
    }
  });
}

TEMPLATE_TEST_CASE("lse_margin: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("lse_margin: backward", [](Parity& parity) {
    for (const Size& size : sizes) {
      for (const bool with_norms : {false, true}) {
        for (const Write write : {Write::skip, Write::assign, Write::add}) {
          for (const Write write_scales : {Write::skip, Write::assign, Write::add}) {
            const Both labels = labels_of(parity, size), x = parity.parameter({size.samples, size.classes}, 2);
            const Both norms = with_norms ? norms_of(parity, size) : Both{}, scale = one(parity, 30), applied = one(parity, 0.4F);
            const Both dy = parity.parameter({size.samples, size.classes}, 1);
            const BothGradients dx = parity.gradient(x, write);
            const BothGradients dscale = with_norms ? BothGradients{} : parity.gradient(scale, write_scales);
            const BothGradients dnorms = with_norms ? parity.gradient(norms, write_scales) : BothGradients{};
            lse_margin_backward(parity.cpu, x.host, labels.host, norms.host, scale.host, applied.host, dy.host, dx.host, dscale.host,
                                dnorms.host);
            lse_margin_backward(parity.cuda, x.device, labels.device, norms.device, scale.device, applied.device, dy.device, dx.device,
                                dscale.device, dnorms.device);
            for (const BothGradients& both : {dx, dscale, dnorms}) parity.check_same(both);
          }
        }
      }
    }
  });
}
