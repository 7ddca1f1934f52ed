#include <amnet/kernels/dropout.h>

#include <cmath>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("dropout: the share, the scale and the draws", "[dropout]") {
  Cpu cpu(2);
  const std::int64_t count = 100001;
  const Tensor x({count}, DType::f32), y({count}, DType::f32), mask({count}, DType::u8), other({count}, DType::u8);
  x.fill(3);
  const DropoutDraw draw{.ratio = 0.3, .seed = 5, .stream = 6, .step = 7};
  dropout_forward(cpu, draw, x, y, mask);
  std::int64_t kept = 0, wrong = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const bool keeps = mask.data<std::uint8_t>()[i] != 0;
    kept += keeps;
    wrong += std::abs(y.data<float>()[i] - (keeps ? 3 / 0.7F : 0.0F)) > 1e-5F;
  }
  CHECK(wrong == 0);
  // four standard deviations
  CHECK(static_cast<double>(kept) / static_cast<double>(count) == Approx(0.7).margin(0.006));

  const auto alike = [&](const std::uint8_t* others, std::int64_t step) {
    std::int64_t same = 0;
    for (std::int64_t i = 0; i + 1 < count; i += step) same += mask.data<std::uint8_t>()[static_cast<std::size_t>(i)] == others[i];
    return static_cast<double>(same * step) / static_cast<double>(count);
  };
  // 0.7^2 + 0.3^2: neighbours are independent
  CHECK(alike(mask.data<std::uint8_t>().data() + 1, 2) == Approx(0.58).margin(0.01));

  dropout_forward(cpu, draw, x, y, other);
  CHECK(values_of<std::uint8_t>(mask) == values_of<std::uint8_t>(other));
  for (const DropoutDraw changed : {DropoutDraw{0.3, 4, 6, 7}, DropoutDraw{0.3, 5, 1, 7}, DropoutDraw{0.3, 5, 6, 8}}) {
    dropout_forward(cpu, changed, x, y, other);
    CHECK(alike(other.data<std::uint8_t>().data(), 1) == Approx(0.58).margin(0.01));
  }
}
