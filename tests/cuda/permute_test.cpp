#include <amnet/kernels/permute.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

// Fewer axes than four, axes of one, and more elements than a grid has threads.
const Shape shapes[] = {{2, 3, 5, 7}, {4, 1, 6}, {3, 8}, {9}};

Shape permuted(const Shape& shape, const std::vector<std::int64_t>& order) {
  Shape result = shape;
  for (int i = 0; i < shape.rank(); ++i) result = result.with(i, shape[static_cast<int>(order[static_cast<std::size_t>(i)])]);
  return result;
}

template <class Body>
void for_each_order(const Shape& shape, Body&& body) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(shape.rank()));
  std::iota(order.begin(), order.end(), 0);
  do body(order);
  while (std::next_permutation(order.begin(), order.end()));
}

}  // namespace

TEMPLATE_TEST_CASE("permute: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("permute: forward", [](Parity& parity) {
    const auto check = [&](const Shape& shape, const std::vector<std::int64_t>& order) {
      const Both x = parity.activation(shape), y = parity.output(permuted(shape, order), true);
      permute_forward(parity.cpu, x.host, order, y.host);
      permute_forward(parity.cuda, x.device, order, y.device);
      parity.check_each(y);
    };
    for (const Shape& shape : shapes) for_each_order(shape, [&](const std::vector<std::int64_t>& order) { check(shape, order); });
    check({3, 61, 33, 24}, {0, 3, 1, 2});
  });
}

TEST_CASE("permute: integers and bytes", "[gpu]") {
  for_each_machine<F32>("permute: integers and bytes", [](Parity& parity) {
    for (const DType dtype : {DType::i64, DType::u8}) {
      const Tensor host({4, 5, 6}, dtype);
      for (std::size_t i = 0; i < host.size_bytes(); ++i) host.raw()[i] = static_cast<std::byte>(i * 7);
      const Both x = parity.same(host), y = parity.same(Tensor::zeros({6, 4, 5}, dtype));
      const std::vector<std::int64_t> order = {2, 0, 1};
      permute_forward(parity.cpu, x.host, order, y.host);
      permute_forward(parity.cuda, x.device, order, y.device);
      CHECK(std::memcmp(y.device.to(Memory::host).raw(), y.host.raw(), y.host.size_bytes()) == 0);
    }
  });
}

TEMPLATE_TEST_CASE("permute: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("permute: backward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for_each_order(shape, [&](const std::vector<std::int64_t>& order) {
        for (const Write write : {Write::skip, Write::assign, Write::add}) {
          const Both dy = parity.activation(permuted(shape, order));
          const BothGradients dx = parity.gradient(parity.output(shape, true), write);
          permute_backward(parity.cpu, dy.host, order, dx.host);
          permute_backward(parity.cuda, dy.device, order, dx.device);
          parity.check_each(dx);
        }
      });
    }
  });
}
