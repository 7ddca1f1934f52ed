#include <amnet/kernels/axis_part.h>

#include <cstring>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

// Every axis; many short runs, one long one, and more elements than a grid has threads.
const Shape shapes[] = {{5, 6, 7, 8}, {6, 5}, {7}, {6, 50, 41, 9}};

/// A part of three indices from 2 on.
template <class Body>
void for_each_part(Body&& body) {
  for (const Shape& shape : shapes) {
    for (int axis = 0; axis < shape.rank(); ++axis) body(shape, axis, shape.with(axis, 3));
  }
}

}  // namespace

TEMPLATE_TEST_CASE("axis_part: taken", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("axis_part: taken", [](Parity& parity) {
    for_each_part([&](const Shape& shape, int axis, const Shape& part) {
      for (const Write write : {Write::skip, Write::assign, Write::add}) {
        const Both whole = parity.activation(shape);
        const BothGradients taken = parity.gradient(parity.output(part, true), write);
        take_part(parity.cpu, whole.host, axis, 2, taken.host);
        take_part(parity.cuda, whole.device, axis, 2, taken.device);
        parity.check_each(taken);
      }
    });
  });
}

TEMPLATE_TEST_CASE("axis_part: put", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("axis_part: put", [](Parity& parity) {
    for_each_part([&](const Shape& shape, int axis, const Shape& part) {
      for (const Write write : {Write::skip, Write::assign, Write::add}) {
        const Both whole = parity.activation(shape), from = parity.activation(part);
        put_part(parity.cpu, from.host, {whole.host, write}, axis, 2);
        put_part(parity.cuda, from.device, {whole.device, write}, axis, 2);
        parity.check_each(whole);
      }
    });
  });
}

TEMPLATE_TEST_CASE("axis_part: cleared", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("axis_part: cleared", [](Parity& parity) {
    for_each_part([&](const Shape& shape, int axis, const Shape&) {
      const Both whole = parity.activation(shape);
      clear_part(parity.cpu, whole.host, axis, 2, 3);
      clear_part(parity.cuda, whole.device, axis, 2, 3);
      parity.check_each(whole);
    });
  });
}

TEST_CASE("axis_part: integers", "[gpu]") {
  for_each_machine<F32>("axis_part: integers", [](Parity& parity) {
    const Tensor host({3, 6}, DType::i64);
    for (std::size_t i = 0; i < 18; ++i) host.data<std::int64_t>()[i] = static_cast<std::int64_t>(i) << 40;
    const Both whole = parity.same(host), part = parity.same(Tensor::zeros({3, 2}, DType::i64));
    take_part(parity.cpu, whole.host, 1, 3, {part.host, Write::assign});
    take_part(parity.cuda, whole.device, 1, 3, {part.device, Write::assign});
    CHECK(std::memcmp(part.device.to(Memory::host).raw(), part.host.raw(), part.host.size_bytes()) == 0);
    put_part(parity.cpu, part.host, {whole.host, Write::assign}, 1, 0);
    put_part(parity.cuda, part.device, {whole.device, Write::assign}, 1, 0);
    CHECK(std::memcmp(whole.device.to(Memory::host).raw(), whole.host.raw(), whole.host.size_bytes()) == 0);
  });
}
