#include <amnet/kernels/pool.h>

#include <cstring>
#include <limits>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

struct Window {
  PoolOptions options;
  Shape image;
};

// Windows that touch, overlap, leave gaps, hang over the edge and stand in the padding; channels in whole packs and not.
const Window windows[] = {
    {{}, {2, 4, 6, 16}},
    {{}, {1, 5, 7, 3}},
    {{.kernel_height = 3, .kernel_width = 3}, {2, 7, 8, 24}},
    {{.kernel_height = 3, .kernel_width = 3, .pad_height = 1, .pad_width = 1}, {1, 6, 9, 5}},
    {{.kernel_height = 2, .kernel_width = 5, .stride_height = 1, .stride_width = 3, .pad_height = 1, .pad_width = 4}, {2, 5, 11, 8}},
    {{.kernel_height = 1, .kernel_width = 2, .stride_height = 3, .stride_width = 4, .round_up = false}, {1, 8, 9, 4}},
    {{.kernel_height = 7, .kernel_width = 6, .stride_height = 1, .stride_width = 1}, {3, 7, 6, 12}},
    {{.kernel_height = 3, .kernel_width = 3, .stride_height = 1, .stride_width = 1, .pad_height = 2, .pad_width = 2}, {1, 1, 1, 1}},
};
// More packs, and more single elements, than a grid has threads.
const Window large[] = {{{}, {2, 88, 90, 40}}, {{}, {1, 159, 160, 3}}};

Shape pooled(const Window& window) {
  const PoolOptions& o = window.options;
  return {window.image[0], pooled_extent(window.image[1], o.kernel_height, o.stride_height, o.pad_height, o.round_up),
          pooled_extent(window.image[2], o.kernel_width, o.stride_width, o.pad_width, o.round_up), window.image[3]};
}

/// An average has no indices.
Both indices_of(Parity& parity, const PoolOptions& options, const Shape& shape) {
  if (options.kind == PoolKind::average) return {};
  return parity.output(parity.same(Tensor::zeros(shape, DType::i64)));
}

void check_forward(Parity& parity, Window window, PoolKind kind) {
  window.options.kind = kind;
  const Both x = parity.activation(window.image), y = parity.output(pooled(window), true);
  const Both indices = indices_of(parity, window.options, y.host.shape());
  pool_forward(parity.cpu, window.options, x.host, y.host, indices.host);
  pool_forward(parity.cuda, window.options, x.device, y.device, indices.device);
  parity.check_each(y);
  if (kind == PoolKind::max) CHECK(std::memcmp(indices.device.to(Memory::host).raw(), indices.host.raw(), indices.host.size_bytes()) == 0);
}

void check_backward(Parity& parity, Window window, PoolKind kind, Write write) {
  window.options.kind = kind;
  const Both x = parity.activation(window.image), dy = parity.activation(pooled(window)), y = parity.output(dy);
  Both indices = indices_of(parity, window.options, y.host.shape());
  if (kind == PoolKind::max) {
    pool_forward(parity.cpu, window.options, x.host, y.host, indices.host);
    indices.device.copy_from(indices.host);
  }
  const BothGradients dx = parity.gradient(x, write);
  pool_backward(parity.cpu, window.options, dy.host, indices.host, dx.host);
  pool_backward(parity.cuda, window.options, dy.device, indices.device, dx.device);
  parity.check_each(dx);
}

}  // namespace

// In bf16 ties are common among so few values.
TEMPLATE_TEST_CASE("pool: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("pool: forward", [](Parity& parity) {
    for (const PoolKind kind : {PoolKind::max, PoolKind::average}) {
      for (const Window& window : windows) check_forward(parity, window, kind);
      for (const Window& window : large) check_forward(parity, window, kind);
    }
  });
}

TEMPLATE_TEST_CASE("pool: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("pool: backward", [](Parity& parity) {
    for (const PoolKind kind : {PoolKind::max, PoolKind::average}) {
      for (const Window& window : windows) {
        for (const Write write : {Write::skip, Write::assign, Write::add}) check_backward(parity, window, kind, write);
      }
      for (const Window& window : large) check_backward(parity, window, kind, Write::assign);
    }
  });
}

TEMPLATE_TEST_CASE("pool: the first of equals wins, and a NaN is not lost", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("pool: the first of equals wins, and a NaN is not lost", [](Parity& parity) {
    for (const std::int64_t channels : {8, 3}) {
      // All NaN, and all equal.
      for (const bool nan : {true, false}) {
        const Both x = parity.output(Shape{1, 4, 6, channels}, true), y = parity.output(Shape{1, 2, 3, channels}, true);
        if (!nan) {
          x.host.clear();
          x.device.clear();
        }
        const Both indices = indices_of(parity, {}, y.host.shape());
        pool_forward(parity.cpu, {}, x.host, y.host, indices.host);
        pool_forward(parity.cuda, {}, x.device, y.device, indices.device);
        const Tensor got = Parity::fetched(y.device);
        for (const float value : got.data<const float>()) CHECK((value != value) == nan);
        CHECK(std::memcmp(indices.device.to(Memory::host).raw(), indices.host.raw(), indices.host.size_bytes()) == 0);
      }
    }
  });
}

TEST_CASE("pool: refuses another size by name", "[gpu]") {
  for_each_machine<F32>("pool: refuses another size by name", [](Parity& parity) {
    const Both x = parity.activation({1, 4, 6, 8}), y = parity.output(Shape{1, 2, 2, 8}, true);
    CHECK_THROWS_WITH(pool_forward(parity.cuda, {.kind = PoolKind::average}, x.device, y.device, {}),
                      "[pool] expected the pooled side of (1,4,6,8) as (1,2,3,8) but got (1,2,2,8).");
  });
}
