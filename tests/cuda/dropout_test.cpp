#include <amnet/core/random.h>
#include <amnet/kernels/dropout.h>

#include <cstring>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

// Whole packs of 16 bytes, odd numbers of elements, and more than the threads of one grid.
const Shape shapes[] = {{2, 5, 3, 64}, {3, 7}, {1, 1}, {2, 301}, {37, 3601}};

// Every word of the counter and of the key has an effect; at the threshold itself an element is
// kept.
const DropoutDraw draws[] = {
    {.ratio = 0.5, .seed = 1, .stream = stream_of("dropout"), .step = 7},
    {.ratio = 0.3, .seed = 0x123456789abcdef0, .stream = 2, .step = std::int64_t{5} << 33},
    {.ratio = static_cast<double>(Random(9, 8, 7).bits(0) & 0xFFFFFFFF) * 0x1p-32, .seed = 9, .stream = 8, .step = 7},
    {.ratio = 0, .seed = 3}};

bool same_bytes(const Both& both) { return std::memcmp(both.device.to(Memory::host).raw(), both.host.raw(), both.host.size_bytes()) == 0; }

}  // namespace

TEMPLATE_TEST_CASE("dropout: forward drops what the CPU drops", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("dropout: forward drops what the CPU drops", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const DropoutDraw& draw : draws) {
        const Both x = parity.activation(shape), y = parity.output(x);
        const Both mask = parity.output(parity.same(Tensor(shape, DType::u8)));
        dropout_forward(parity.cpu, draw, x.host, y.host, mask.host);
        dropout_forward(parity.cuda, draw, x.device, y.device, mask.device);
        CHECK(same_bytes(mask));
        parity.check_each(y);
      }
    }
  });
}

TEMPLATE_TEST_CASE("dropout: forward where no pack begins, and in place", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("dropout: forward where no pack begins, and in place", [](Parity& parity) {
    const Both x = parity.activation({4, 9});
    const Both mask = parity.same(Tensor::zeros(x.host.shape(), DType::u8));
    // the second time x and y do not begin at a multiple of 16 bytes, and the mask is at an odd
    // address
    for (const std::int64_t begin : {0, 1}) {
      const auto part = [&](const Tensor& whole) { return whole.slice(begin, begin + 3); };
      dropout_forward(parity.cpu, draws[0], part(x.host), part(x.host), part(mask.host));
      dropout_forward(parity.cuda, draws[0], part(x.device), part(x.device), part(mask.device));
      CHECK(same_bytes(mask));
      parity.check_each(x);
    }
  });
}

TEMPLATE_TEST_CASE("dropout: a mask alone that begins where no pack does", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("dropout: a mask alone that begins where no pack does", [](Parity& parity) {
    const Both x = parity.activation({40}), y = parity.output(x), room = parity.same(Tensor::zeros({41}, DType::u8));
    const Both mask{room.host.slice(1, 41), room.device.slice(1, 41)};
    dropout_forward(parity.cpu, draws[0], x.host, y.host, mask.host);
    dropout_forward(parity.cuda, draws[0], x.device, y.device, mask.device);
    CHECK(same_bytes(room));
    parity.check_each(y);
  });
}

TEMPLATE_TEST_CASE("dropout: backward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("dropout: backward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      const Tensor chosen(shape, DType::u8);
      std::uint64_t i = 0;
      for (std::uint8_t& each : chosen.data<std::uint8_t>()) each = Random(4).bits(i++) % 3 != 0;
      const Both mask = parity.same(chosen);
      for (const Write write : {Write::skip, Write::assign, Write::add}) {
        const Both dy = parity.activation(shape);
        const BothGradients dx = parity.gradient(dy, write);
        dropout_backward(parity.cpu, 0.3, mask.host, dy.host, dx.host);
        dropout_backward(parity.cuda, 0.3, mask.device, dy.device, dx.device);
        parity.check_each(dx);
      }
    }
  });
}

TEST_CASE("dropout: refuses a mask of another size or type by name", "[gpu]") {
  for_each_machine<F32>("dropout: refuses a mask of another size or type by name", [](Parity& parity) {
    using Catch::Matchers::Contains;
    const Both x = parity.activation({2, 3});
    CHECK_THROWS_WITH(dropout_forward(parity.cuda, {}, x.device, x.device, Tensor({5}, DType::u8, Memory::cuda)),
                      "[dropout] expected tensors of one size but got (2,3), (2,3) and (5).");
    CHECK_THROWS_WITH(dropout_forward(parity.cuda, {}, x.device, x.device, x.device), Contains("[dropout] expected u8"));
  });
}
