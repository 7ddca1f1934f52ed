#include <amnet/kernels/sphere_product.h>

#include <cmath>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

struct Size {
  std::int64_t samples, inputs, classes;
};
// Rows of a warp and of a block, packed and not packed.
constexpr Size sizes[] = {{5, 512, 10}, {3, 7, 1}, {33, 12, 8}, {2, 1030, 1100}, {2, 1024, 2048}};

Both labels_of(Parity& parity, const Size& size) {
  const Tensor labels({size.samples}, DType::i64);
  for (std::int64_t i = 0; i < size.samples; ++i)
    labels.data<std::int64_t>()[static_cast<std::size_t>(i)] = (i * 7 + size.classes - 1) % size.classes;
  return parity.same(labels);
}

/// Norms of about 5, and cosines of all angles.
Both targets_of(Parity& parity, const Size& size) {
  const Tensor host = parity.parameter({size.samples, 2}).host;
  for (std::size_t i = 0; i < static_cast<std::size_t>(size.samples); ++i) {
    host.data<float>()[2 * i] = 5 + std::abs(host.data<float>()[2 * i]);
    host.data<float>()[2 * i + 1] = 0.95F * std::sin(3 * host.data<float>()[2 * i + 1]);
  }
  return parity.same(host);
}

constexpr SphereMargin margins[] = {{.multiplier = 1, .lambda = 3},
                                    {.multiplier = 2, .lambda = 0},
                                    {.multiplier = 3, .lambda = 5},
                                    {.multiplier = 4, .lambda = 5},
                                    {.multiplier = 4, .lambda = 0.5, .reference = true}};

}  // namespace

TEMPLATE_TEST_CASE("sphere_product: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("sphere_product: forward", [](Parity& parity) {
    for (const Size& size : sizes) {
      for (const SphereMargin& margin : margins) {
        const Both x = parity.activation({size.samples, size.inputs}), labels = labels_of(parity, size);
        const Both y = parity.parameter({size.samples, size.classes}), targets = parity.output({size.samples, 2}, false);
        sphere_margin_forward(parity.cpu, margin, x.host, labels.host, y.host, targets.host);
        sphere_margin_forward(parity.cuda, margin, x.device, labels.device, y.device, targets.device);
        parity.check_same(y);
        parity.check_same(targets);
      }
    }
  });
}

TEMPLATE_TEST_CASE("sphere_product: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("sphere_product: backward", [](Parity& parity) {
    for (const Size& size : sizes) {
      for (const SphereMargin& margin : margins) {
        const Both targets = targets_of(parity, size), labels = labels_of(parity, size),
                   dy = parity.parameter({size.samples, size.classes});
        const Both scaled = parity.output(dy), along = parity.output({size.samples, 1}, false);
        sphere_margin_backward(parity.cpu, margin, targets.host, labels.host, dy.host, scaled.host, along.host);
        sphere_margin_backward(parity.cuda, margin, targets.device, labels.device, dy.device, scaled.device, along.device);
        parity.check_same(scaled);
        if (margin.multiplier > 1) parity.check_same(along);  // else 0 up to rounding
      }
    }
  });
}

TEST_CASE("sphere_product: a label out of range touches nothing", "[gpu]") {
  for_each_machine<F32>("sphere_product: a label out of range touches nothing", [](Parity& parity) {
    const Both x = parity.activation({2, 5}), y = parity.parameter({2, 3}), dy = parity.parameter({2, 3});
    const Tensor labels = Tensor::of<std::int64_t>({2}, {-1, std::int64_t{1} << 40}).to(Memory::cuda);
    const Both targets = parity.output({2, 2}, false), scaled = parity.output(dy), along = parity.output({2, 1}, false);
    sphere_margin_forward(parity.cuda, {}, x.device, labels, y.device, targets.device);
    sphere_margin_backward(parity.cuda, {}, targets.device, labels, dy.device, scaled.device, along.device);
    parity.check_each(y);
    parity.check_each({dy.host, scaled.device});
  });
}
