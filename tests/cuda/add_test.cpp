#include <amnet/kernels/add.h>

#include <cstring>
#include <vector>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

const Shape shapes[] = {{2, 5, 3, 16}, {3, 7}, {1, 1}, {1, 1031}};

struct Terms {
  std::vector<Tensor> host, device;

  Terms(Parity& parity, const Shape& shape, int count) {
    for (int i = 0; i < count; ++i) {
      const Both x = parity.activation(shape, 3);
      host.push_back(x.host);
      device.push_back(x.device);
    }
  }
};

}  // namespace

TEMPLATE_TEST_CASE("add: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("add: forward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const int count : {2, 3, 4, 5, 6, 7, 8, 11}) {
        const Terms xs(parity, shape, count);
        const Both y = parity.output(shape, true);
        add_forward(parity.cpu, xs.host, y.host);
        add_forward(parity.cuda, xs.device, y.device);
        if (count <= 4) {
          parity.check_each(y);
        } else {
          parity.check_same(y);  // in bf16 a sum of more terms is also rounded in between
        }
      }
    }
  });
}

TEST_CASE("add: forward, in the order of the inputs", "[gpu]") {
  for_each_machine<F32>("add: forward, in the order of the inputs", [](Parity& parity) {
    const Terms xs(parity, {999}, 9);
    const Both y = parity.output(Shape{999}, true);
    add_forward(parity.cpu, xs.host, y.host);
    add_forward(parity.cuda, xs.device, y.device);
    CHECK(std::memcmp(Parity::fetched(y.device).raw(), y.host.raw(), y.host.size_bytes()) == 0);
  });
}

TEMPLATE_TEST_CASE("add: forward over more elements than a grid has threads", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("add: forward over more elements than a grid has threads", [](Parity& parity) {
    const Terms xs(parity, {37, 3601}, 2);
    const Both y = parity.output(xs.host[0].shape(), true);
    add_forward(parity.cpu, xs.host, y.host);
    add_forward(parity.cuda, xs.device, y.device);
    parity.check_each(y);
  });
}

TEMPLATE_TEST_CASE("add: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("add: backward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const Write write : {Write::skip, Write::assign, Write::add}) {
        const Both dy = parity.activation(shape);
        const BothGradients dx = parity.gradient(dy, write);
        add_backward(parity.cpu, dy.host, dx.host);
        add_backward(parity.cuda, dy.device, dx.device);
        parity.check_each(dx);
      }
    }
  });
}
