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

TEST_CASE("image_input: the bits of a plain loop, for any width and number of channels", "[image_input]") {
  Cpu cpu(1);
  for (const std::int64_t channels : {1, 3, 4}) {
    for (const std::int64_t width : {1, 2, 3, 96, 127, 128, 129, 256, 300}) {
      const Shape shape{3, 2, width, channels};
      // of exactly this size: a sanitizer detects a read of one byte too many
      const Tensor pixels(shape, DType::u8);
      const auto bytes = pixels.data<std::uint8_t>();
      for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 37 % 251);
      const Tensor y(shape, DType::f32);
      image_input(cpu, {.mean = 127.3, .scale = 1 / 127.0}, pixels, Tensor::of<std::uint8_t>({3}, {1, 0, 255}), y);
      std::vector<float> expected;
      for (std::int64_t line = 0; line < 6; ++line) {
        for (std::int64_t w = 0; w < width; ++w) {
          for (std::int64_t c = 0; c < channels; ++c) {
            const std::int64_t from = line / 2 == 1 ? w : width - 1 - w;
            const float pixel = bytes[static_cast<std::size_t>((line * width + from) * channels + c)];
            expected.push_back((pixel - 127.3F) * static_cast<float>(1 / 127.0));
          }
        }
      }
      CHECK(values_of<float>(y) == expected);
    }
  }
}

TEST_CASE("image_input: images chosen by index are those images", "[image_input]") {
  Cpu cpu(2);
  const Tensor set({5, 3, 4, 3}, DType::u8);
  const auto bytes = set.data<std::uint8_t>();
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 53 % 251);
  const std::vector<std::vector<std::int64_t>> choices = {{4, 0, 0}, {2}, {1, 2, 3, 4, 0, 1, 2}, {}};
  for (const std::vector<std::int64_t>& wanted : choices) {
    const auto count = static_cast<std::int64_t>(wanted.size());
    const Tensor mirror({count}, DType::u8), batch({count, 3, 4, 3}, DType::u8);
    for (std::int64_t n = 0; n < count; ++n) {
      const std::int64_t image = wanted[static_cast<std::size_t>(n)];
      mirror.data<std::uint8_t>()[static_cast<std::size_t>(n)] = n % 2 == 0 ? 1 : 0;
      batch.slice(n, n + 1).copy_from(set.slice(image, image + 1));
    }
    const Tensor expected(batch.shape(), DType::f32), y(batch.shape(), DType::f32);
    image_input(cpu, {}, batch, mirror, expected);
    image_input(cpu, {}, {set, Tensor::of<std::int64_t>({count}, wanted)}, mirror, y);
    CHECK(values_of<float>(y) == values_of<float>(expected));
  }
  const Tensor mirror = Tensor::zeros({1}, DType::u8), y({1, 3, 4, 3}, DType::f32);
  CHECK_THROWS_WITH(image_input(cpu, {}, {set, Tensor::of<std::int64_t>({1}, {5})}, mirror, y),
                    "[image_input] expected indices of 5 images but got 5.");
  CHECK_THROWS_AS(image_input(cpu, {}, {set, Tensor::of<std::int64_t>({1}, {-1})}, mirror, y), UsageError);
  CHECK_THROWS_AS(image_input(cpu, {}, {set, Tensor::of<std::int64_t>({2}, {0, 1})}, mirror, y), UsageError);
  CHECK_THROWS_AS(image_input(cpu, {}, set, mirror, y), UsageError);
}
