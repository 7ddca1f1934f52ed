#include <amnet/kernels/dropout.h>

#include <cmath>
#include <functional>
#include <numeric>

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
  CHECK(static_cast<double>(kept) / static_cast<double>(count) == Approx(0.7).margin(0.006));  // four standard deviations

  dropout_forward(cpu, draw, x, y, other);
  CHECK(values_of<std::uint8_t>(mask) == values_of<std::uint8_t>(other));
  for (const DropoutDraw changed : {DropoutDraw{0.3, 4, 6, 7}, DropoutDraw{0.3, 5, 1, 7}, DropoutDraw{0.3, 5, 6, 8}}) {
    dropout_forward(cpu, changed, x, y, other);
    const auto same = std::inner_product(mask.data<std::uint8_t>().begin(), mask.data<std::uint8_t>().end(),
                                         other.data<std::uint8_t>().begin(), 0, std::plus<>(), std::equal_to<>());
    CHECK(same / static_cast<double>(count) == Approx(0.58).margin(0.01));  // 0.7^2 + 0.3^2: independent
  }
}
