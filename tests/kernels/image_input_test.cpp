#include <amnet/kernels/image_input.h>

#include <vector>

#include "catch.h"
#include "values.h"

using namespace amnet;

TEST_CASE("image_input: mean, scale and mirror per image", "[image_input]") {
  Cpu cpu(2);
  const Tensor pixels = Tensor::of<std::uint8_t>({2, 1, 2, 3}, {0, 1, 2, 253, 254, 255, 0, 1, 2, 253, 254, 255});
  const Tensor mirror = Tensor::of<std::uint8_t>({2}, {0, 1});
  const Tensor y(pixels.shape(), DType::f64);
  image_input(cpu, {.mean = 128, .scale = 1.0F / 128}, pixels, mirror, y);
  CHECK(values_of<double>(y) == std::vector<double>{-128 / 128.0, -127 / 128.0, -126 / 128.0, 125 / 128.0, 126 / 128.0, 127 / 128.0,
                                                    125 / 128.0, 126 / 128.0, 127 / 128.0, -128 / 128.0, -127 / 128.0, -126 / 128.0});
  CHECK_THROWS_AS(image_input(cpu, {}, pixels, Tensor::of<std::uint8_t>({1}, {0}), y), UsageError);
}
