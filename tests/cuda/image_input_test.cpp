#include <amnet/core/random.h>
#include <amnet/kernels/image_input.h>

#include "catch.h"
#include "parity.h"

using namespace amnet;

namespace {

// Rows of whole packs and others, of one, three and four channels, and more elements than a grid
// has threads.
const Shape shapes[] = {{2, 5, 8, 3}, {3, 4, 7, 3},   {1, 1, 1, 3},    {4, 3, 12, 1},
                        {2, 2, 5, 4}, {3, 56, 96, 3}, {3, 112, 96, 3}, {2, 113, 95, 3}};

/// Random pixels and every second image mirrored, from the first or from the second.
struct Images {
  Both pixels, mirror;

  Images(Parity& parity, const Shape& shape, std::int64_t first_mirrored)
      : pixels(parity.same(Tensor(shape, DType::u8))), mirror(parity.same(Tensor({shape[0]}, DType::u8))) {
    const Random random(9);
    std::uint64_t drawn = 0;
    for (std::uint8_t& pixel : pixels.host.data<std::uint8_t>()) pixel = static_cast<std::uint8_t>(random.below(drawn++, 256));
    for (std::int64_t n = 0; n < shape[0]; ++n)
      mirror.host.data<std::uint8_t>()[static_cast<std::size_t>(n)] = n % 2 == first_mirrored ? static_cast<std::uint8_t>(n + 1) : 0;
    pixels.device.copy_from(pixels.host);
    mirror.device.copy_from(mirror.host);
  }
};

}  // namespace

TEMPLATE_TEST_CASE("image_input: forward", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("image_input: forward", [](Parity& parity) {
    for (const Shape& shape : shapes) {
      for (const std::int64_t first_mirrored : {0, 1}) {
        const Images images(parity, shape, first_mirrored);
        const Both y = parity.output(shape, true);
        const ImageInputOptions options{.mean = 127.3, .scale = 1 / 127.0};
        image_input(parity.cpu, options, images.pixels.host, images.mirror.host, y.host);
        image_input(parity.cuda, options, images.pixels.device, images.mirror.device, y.device);
        parity.check_each(y);
      }
    }
  });
}

TEMPLATE_TEST_CASE("image_input: forward where no pack begins", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("image_input: forward where no pack begins", [](Parity& parity) {
    // A row is a whole number of packs, but the second image of a batch of u8 begins at 24 and the
    // third at 48.
    const Images images(parity, {4, 1, 8, 3}, 0);
    for (const std::int64_t begin : {1, 2}) {
      const Both y = parity.output(Shape{2, 1, 8, 3}, true);
      const auto part = [&](const Tensor& whole) { return whole.slice(begin, begin + 2); };
      image_input(parity.cpu, {}, part(images.pixels.host), part(images.mirror.host), y.host);
      image_input(parity.cuda, {}, part(images.pixels.device), part(images.mirror.device), y.device);
      parity.check_each(y);
    }
    const Images odd(parity, {2, 1, 1, 4}, 1);
    const Tensor pixels = odd.pixels.device.reshaped({8}).slice(1, 5).reshaped({1, 1, 1, 4});
    const Both y = parity.output(Shape{1, 1, 1, 4}, true);
    image_input(parity.cpu, {}, odd.pixels.host.reshaped({8}).slice(1, 5).reshaped({1, 1, 1, 4}), odd.mirror.host.slice(0, 1), y.host);
    image_input(parity.cuda, {}, pixels, odd.mirror.device.slice(0, 1), y.device);
    parity.check_each(y);
  });
}

// Sets with rows of whole packs and others, batches smaller and larger than the set, and images
// that are chosen twice.
TEMPLATE_TEST_CASE("image_input: images chosen by index", "[gpu]", F32, Bf16) {
  for_each_machine<TestType>("image_input: images chosen by index", [](Parity& parity) {
    for (const Shape& set : {Shape{7, 5, 8, 3}, Shape{3, 4, 7, 3}, Shape{1, 2, 12, 1}, Shape{5, 56, 96, 3}}) {
      const Images images(parity, set, 0);
      for (const std::int64_t count : {1, 4, 9}) {
        const Both chosen = parity.same(Tensor({count}, DType::i64)), mirror = parity.same(Tensor({count}, DType::u8));
        const Random random(static_cast<std::uint64_t>(count));
        for (std::int64_t n = 0; n < count; ++n) {
          const auto at = static_cast<std::size_t>(n);
          chosen.host.data<std::int64_t>()[at] =
              static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(n), static_cast<std::uint64_t>(set[0])));
          mirror.host.data<std::uint8_t>()[at] = static_cast<std::uint8_t>(n % 2);
        }
        chosen.device.copy_from(chosen.host);
        mirror.device.copy_from(mirror.host);
        const Both y = parity.output(set.with(0, count), true);
        image_input(parity.cpu, {}, {images.pixels.host, chosen.host}, mirror.host, y.host);
        image_input(parity.cuda, {}, {images.pixels.device, chosen.device}, mirror.device, y.device);
        parity.check_each(y);
      }
    }
  });
}

TEST_CASE("image_input: refuses other shapes by name", "[gpu]") {
  for_each_machine<F32>("image_input: refuses other shapes by name", [](Parity& parity) {
    const Images images(parity, {2, 1, 8, 3}, 0);
    const Both y = parity.output(Shape{2, 1, 8, 4}, true);
    CHECK_THROWS_WITH(image_input(parity.cuda, {}, images.pixels.device, images.mirror.device, y.device),
                      "[image_input] expected pixels and an output (N,H,W,C) but got (2,1,8,3) and (2,1,8,4).");
    CHECK_THROWS_WITH(
        image_input(parity.cuda, {}, images.pixels.device, images.mirror.device.slice(0, 1), parity.output(Shape{2, 1, 8, 3}, true).device),
        "[image_input] expected one mirror flag for each of 2 images but got (1).");
    CHECK_THROWS_WITH(image_input(parity.cuda, {}, {images.pixels.device, Tensor({3}, DType::i64, Memory::cuda)}, images.mirror.device,
                                  parity.output(Shape{2, 1, 8, 3}, true).device),
                      "[image_input] expected one index for each of 2 images but got (3).");
  });
}
