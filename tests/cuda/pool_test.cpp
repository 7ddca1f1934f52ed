#include <amnet/kernels/pool.h>

#include <cstring>
#include <limits>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

struct Case {
  PoolWindow window;
  Shape image;

  Shape pooled() const { return window.output_shape(image); }
};

// Windows that touch, overlap, leave gaps, extend over the edge and lie in the padding; channels in
// whole packs and others.
const Case windows[] = {
    {{}, {2, 4, 6, 16}},
    {{}, {1, 5, 7, 3}},
    {{.kernel = 3}, {2, 7, 8, 24}},
    {{.kernel = 3, .pad = 1}, {1, 6, 9, 5}},
    {{.kernel = {2, 5}, .stride = {1, 3}, .pad = {1, 4}}, {2, 5, 11, 8}},
    {{.kernel = {1, 2}, .stride = {3, 4}, .round_up = false}, {1, 8, 9, 4}},
    {{.kernel = {7, 6}, .stride = 1}, {3, 7, 6, 12}},
    {{.kernel = 3, .stride = 1, .pad = 2}, {1, 1, 1, 1}},
};
// More packs, and more single elements, than a grid has threads.
const Case large[] = {{{}, {2, 88, 90, 40}}, {{}, {1, 159, 160, 3}}};

/// An average has no indices.
Both indices_of(Parity& parity, const PoolWindow& window, const Shape& shape) {
  if (window.kind == PoolKind::average) return {};
  return parity.output(parity.same(Tensor::zeros(shape, DType::i64)));
}

void check_forward(Parity& parity, Case test, PoolKind kind) {
  test.window.kind = kind;
  const Both x = parity.activation(test.image), y = parity.output(test.pooled(), true);
  const Both indices = indices_of(parity, test.window, y.host.shape());
  pool_forward(parity.cpu, test.window, x.host, y.host, indices.host);
  pool_forward(parity.cuda, test.window, x.device, y.device, indices.device);
  parity.check_each(y);
  if (kind == PoolKind::max) CHECK(std::memcmp(indices.device.to(Memory::host).raw(), indices.host.raw(), indices.host.size_bytes()) == 0);
}

void check_backward(Parity& parity, Case test, PoolKind kind, Write write) {
  test.window.kind = kind;
  const Both x = parity.activation(test.image), dy = parity.activation(test.pooled()), y = parity.output(dy);
  Both indices = indices_of(parity, test.window, y.host.shape());
  if (kind == PoolKind::max) {
    pool_forward(parity.cpu, test.window, x.host, y.host, indices.host);
    indices.device.copy_from(indices.host);
  }
  const BothGradients dx = parity.gradient(x, write);
  pool_backward(parity.cpu, test.window, dy.host, indices.host, dx.host);
  pool_backward(parity.cuda, test.window, dy.device, indices.device, dx.device);
  parity.check_each(dx);
}

}  // namespace

// In bf16 ties are common because there are few different values.
TEMPLATE_TEST_CASE("pool: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("pool: forward", [](Parity& parity) {
    for (const PoolKind kind : {PoolKind::max, PoolKind::average}) {
      for (const Case& test : windows) check_forward(parity, test, kind);
      for (const Case& test : large) check_forward(parity, test, kind);
    }
  });
}

TEMPLATE_TEST_CASE("pool: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("pool: backward", [](Parity& parity) {
    for (const PoolKind kind : {PoolKind::max, PoolKind::average}) {
      for (const Case& test : windows) {
        for (const Write write : {Write::skip, Write::assign, Write::add}) check_backward(parity, test, kind, write);
      }
      for (const Case& test : large) check_backward(parity, test, kind, Write::assign);
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
