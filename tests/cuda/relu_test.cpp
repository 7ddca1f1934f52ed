#include <amnet/kernels/relu.h>

#include <limits>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

// Whole packs of 16 bytes, odd numbers of elements, and more than the threads of one grid.
const Shape shapes[] = {{2, 5, 3, 64}, {3, 7}, {1, 1}, {2, 300}, {37, 3601}};

}  // namespace

TEMPLATE_TEST_CASE("relu: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("relu: forward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      const Both x = parity.activation(shape), y = parity.output(x);
      relu_forward(parity.cpu, x.host, y.host);
      relu_forward(parity.cuda, x.device, y.device);
      parity.check_each(y);
    }
  });
}

TEMPLATE_TEST_CASE("relu: forward from and to where no pack begins", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("relu: forward from and to where no pack begins", [](Parity& parity) {
    const Both whole = parity.activation({4, 7}), out = parity.output(whole);
    relu_forward(parity.cpu, whole.host.slice(1, 3), out.host.slice(0, 2));
    relu_forward(parity.cuda, whole.device.slice(1, 3), out.device.slice(0, 2));
    parity.check_each(Both{out.host.slice(0, 2), out.device.slice(0, 2)});
    // In place, and without a change outside the slice.
    relu_forward(parity.cpu, whole.host.slice(1, 3), whole.host.slice(1, 3));
    relu_forward(parity.cuda, whole.device.slice(1, 3), whole.device.slice(1, 3));
    parity.check_each(whole);
  });
}

TEMPLATE_TEST_CASE("relu: a NaN stays one", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("relu: a NaN stays one", [](Parity& parity) {
    const Both y = parity.output(Shape{33}, true);
    relu_forward(parity.cuda, parity.output(y).device, y.device);
    const Tensor got = Parity::fetched(y.device);
    for (const float value : got.data<const float>()) CHECK(value != value);
  });
}

TEMPLATE_TEST_CASE("relu: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("relu: backward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const Write write : {Write::skip, Write::assign, Write::add}) {
        const Both y = parity.activation(shape), dy = parity.activation(shape);
        // where y is 0, so is dx
        for (const Tensor& zeros : {y.host, y.device}) zeros.slice(0, 1).clear();
        const BothGradients dx = parity.gradient(y, write);
        relu_backward(parity.cpu, y.host, dy.host, dx.host);
        relu_backward(parity.cuda, y.device, dy.device, dx.device);
        parity.check_each(dx);
      }
    }
  });
}

TEMPLATE_TEST_CASE("relu: with a slope", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("relu: with a slope", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const double slope : {0.25, -0.5}) {
        const Both x = parity.activation(shape), y = parity.output(x), dy = parity.activation(shape);
        relu_forward(parity.cpu, x.host, y.host, slope);
        relu_forward(parity.cuda, x.device, y.device, slope);
        parity.check_each(y);
        for (const Write write : {Write::skip, Write::assign, Write::add}) {
          const BothGradients dx = parity.gradient(x, write);
          relu_backward(parity.cpu, x.host, dy.host, dx.host, slope);
          relu_backward(parity.cuda, x.device, dy.device, dx.device, slope);
          parity.check_each(dx);
        }
      }
    }
  });
}

TEST_CASE("relu: refuses other memory, types and sizes by name", "[gpu]") {
  for_each_machine<F32>("relu: refuses other memory, types and sizes by name", [](Parity& parity) {
    using Catch::Matchers::Contains;
    const Both x = parity.activation({2, 3});
    CHECK_THROWS_WITH(relu_forward(parity.cuda, x.host, x.device), Contains("[relu] expected a tensor in the GPU's memory"));
    CHECK_THROWS_WITH(relu_forward(parity.cuda, x.device, x.host), Contains("[relu] expected a tensor in the GPU's memory"));
    CHECK_THROWS_WITH(relu_forward(parity.cuda, x.device, Tensor({2, 3}, DType::bf16, Memory::cuda)), Contains("[relu] expected f32"));
    CHECK_THROWS_WITH(relu_forward(parity.cuda, Tensor({2, 3}, DType::f64, Memory::cuda), x.device),
                      Contains("[relu] expected a tensor of f32 or bf16"));
    CHECK_THROWS_WITH(relu_forward(parity.cuda, x.device, Tensor({7}, DType::f32, Memory::cuda)),
                      Contains("[relu] expected an input of 7 elements"));
  });
}
