#include <amnet/kernels/lse_margin.h>

#include <utility>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

struct Size {
  std::int64_t samples, classes;
};
// Rows of a warp and of a block, packed and not packed.
constexpr Size sizes[] = {{1, 2}, {6, 7}, {2, 1100}, {2, 2048}};

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

struct Step {
  float margin;  // before it
  float spread;  // of the targets
  LseMarginOptions options = {};
};
// The first margin, and later ones: far from all, near one mode, and with no value near the mean.
constexpr Step steps[] = {{0, 0}, {0, 0.7F}, {-20, 0.7F}, {0.6F, 0, {.max_scale = 12}}, {0.3F, 0.7F, {.min_scale = 40, .applies = false}}};

void check_forward(Parity& parity, const Size& size, bool with_norms, const Step& step) {
  const Both labels = labels_of(parity, size), x = cosines_of(parity, size, labels, step.spread);
  const Both norms = with_norms ? norms_of(parity, size) : Both{}, scale = one(parity, 30), margin = one(parity, step.margin);
  const Both applied = parity.output({1}, false), y = parity.output(x), statistics = parity.output({5}, false);
  lse_margin_forward(parity.cpu, step.options, x.host, labels.host, norms.host, scale.host, margin.host, applied.host, y.host,
                     statistics.host);
  lse_margin_forward(parity.cuda, step.options, x.device, labels.device, norms.device, scale.device, margin.device, applied.device,
                     y.device, statistics.device);
  for (const Both& both : {scale, margin, applied, y, statistics}) parity.check_same(both);
}

}  // namespace

TEMPLATE_TEST_CASE("lse_margin: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("lse_margin: forward", [](Parity& parity) {
    for (const Size& size : sizes) {
      for (const Step& step : steps) check_forward(parity, size, false, step);
      check_forward(parity, size, true, steps[2]);
    }
  });
}

TEST_CASE("lse_margin: more samples than one round sums", "[gpu]") {
  for_each_machine<F32>("lse_margin: more samples than one round sums", [](Parity& parity) {
    check_forward(parity, {260, 3}, true, {0.6F, 0.7F});
  });
}

TEMPLATE_TEST_CASE("lse_margin: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("lse_margin: backward", [](Parity& parity) {
    for (const Size& size : sizes) {
      for (const bool with_norms : {false, true}) {
        for (const auto& [write, write_scales] : {std::pair{Write::skip, Write::assign}, std::pair{Write::assign, Write::skip},
                                                  std::pair{Write::assign, Write::add}, std::pair{Write::add, Write::assign}}) {
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
  });
}
