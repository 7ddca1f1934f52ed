#include <amnet/kernels/finite.h>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

constexpr std::uint16_t minus_infinity = 0xff80;
// infinity of either sign, and a NaN
constexpr std::uint16_t bad_bits[] = {0x7f80, minus_infinity, 0x7fc0};

/// Sets element `at` to the number whose upper 16 bits, as an f32, are these: bf16 has no others.
void set_upper_bits(const Tensor& tensor, std::int64_t at, std::uint16_t bits) {
  if (tensor.dtype() == DType::bf16) {
    tensor.data<BFloat16>()[static_cast<std::size_t>(at)] = {bits};
  } else {
    const std::uint32_t word = std::uint32_t{bits} << 16;
    std::memcpy(&tensor.data<float>()[static_cast<std::size_t>(at)], &word, sizeof word);
  }
}

}  // namespace

TEMPLATE_TEST_CASE("finite: one bad element anywhere is found", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("finite: one bad element anywhere is found", [](Parity& parity) {
    for (const std::int64_t count : {1, 31, 5000, 133237}) {
      const Tensor tensor({count}, parity.activations());
      // about the largest finite number
      for (std::int64_t i = 0; i < count; ++i) set_upper_bits(tensor, i, 0x7f7f);
      CHECK(all_finite(parity.cuda, tensor.to(Memory::cuda)));
      for (const std::int64_t at : {std::int64_t{0}, count / 2, count - 1}) {
        for (const std::uint16_t bad : bad_bits) {
          if (count > 5000 && bad == minus_infinity) continue;
          set_upper_bits(tensor, at, bad);
          CHECK_FALSE(all_finite(parity.cuda, tensor.to(Memory::cuda)));
        }
        set_upper_bits(tensor, at, 0xff7f);
      }
    }
    CHECK(all_finite(parity.cuda, Tensor({0}, parity.activations(), Memory::cuda)));
  });
}

TEMPLATE_TEST_CASE("finite: a part of a tensor is looked at, and no more", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("finite: a part of a tensor is looked at, and no more", [](Parity& parity) {
    const Tensor tensor = Tensor::zeros({40}, parity.activations());
    set_upper_bits(tensor, 2, 0x7f80);
    set_upper_bits(tensor, 23, 0x7f80);
    const Tensor there = tensor.to(Memory::cuda);
    CHECK(all_finite(parity.cuda, there.slice(3, 23)));
    CHECK_FALSE(all_finite(parity.cuda, there.slice(3, 24)));
    CHECK_FALSE(all_finite(parity.cuda, there.slice(2, 23)));
  });
}

TEMPLATE_TEST_CASE("finite: a flag is raised and never lowered", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("finite: a flag is raised and never lowered", [](Parity& parity) {
    const Tensor good = Tensor::zeros({300}, parity.activations()), bad = good.clone();
    set_upper_bits(bad, 299, minus_infinity);
    const Tensor good_there = good.to(Memory::cuda), bad_there = bad.to(Memory::cuda);
    const Tensor flag = Tensor::zeros({1}, DType::u8, Memory::cuda);
    const auto raised = [&] { return flag.to(Memory::host).data<std::uint8_t>()[0]; };
    raise_unless_finite(parity.cuda, good_there, flag);
    CHECK(raised() == 0);
    raise_unless_finite(parity.cuda, bad_there, flag);
    CHECK(raised() == 1);
    raise_unless_finite(parity.cuda, good_there, flag);
    CHECK(raised() == 1);
  });
}

TEST_CASE("finite: sees what was begun before", "[gpu]") {
  for_each_machine<F32>("finite: sees what was begun before", [](Parity& parity) {
    const Tensor tensor({100}, DType::f32, Memory::cuda);
    tensor.clear();
    CHECK(all_finite(parity.cuda, tensor));
    tensor.copy_from(parity.output(Shape{100}, false).host);
    CHECK_FALSE(all_finite(parity.cuda, tensor));
  });
}
