#include <amnet/kernels/finite.h>

#include <limits>

#include "catch.h"

using namespace amnet;

TEST_CASE("finite: one bad element anywhere is found", "[finite]") {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  Cpu cpu(2);
  for (const std::int64_t count : {1, 31, 40000}) {
    const Tensor tensor({count}, DType::f32);
    tensor.fill(std::numeric_limits<float>::max());
    CHECK(all_finite(cpu, tensor));
    for (const float bad : {nan, std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
      for (const std::int64_t at : {std::int64_t{0}, count / 2, count - 1}) {
        float& element = tensor.data<float>()[static_cast<std::size_t>(at)];
        element = bad;
        CHECK_FALSE(all_finite(cpu, tensor));
        element = 1;
      }
    }
  }
  CHECK(all_finite(cpu, Tensor({0}, DType::f32)));
}

TEST_CASE("finite: a flag is raised by the first bad value and stays up", "[finite]") {
  Cpu cpu(1);
  const Tensor flag = Tensor::zeros({1}, DType::u8);
  const auto raised = [&] { return flag.data<std::uint8_t>()[0] != 0; };
  const Tensor good = Tensor::of<float>({2}, {1, -3});
  raise_unless_finite(cpu, good, flag);
  CHECK(!raised());
  raise_unless_finite(cpu, Tensor::of<float>({2}, {1, std::numeric_limits<float>::infinity()}), flag);
  CHECK(raised());
  raise_unless_finite(cpu, good, flag);
  CHECK(raised());
}
