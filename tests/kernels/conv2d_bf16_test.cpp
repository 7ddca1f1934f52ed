// Convolutions whose products take bf16. Integers that bf16 holds give the same bits as a direct
// convolution, so that any misplaced factor is detected; with other values the distance from f32 is
// that of the rounding of the factors alone.
#include "catch.h"

#include <amnet/core/random.h>
#include <amnet/kernels/conv2d.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "cpu/conv2d_tiles.h"

using namespace amnet;
using Catch::Matchers::Contains;

namespace {

/// True, with a message, where there is nothing to test.
bool skipped(const char* test) {
  if (has_bf16_products()) return false;
  std::printf("SKIPPED %s: this build has no bf16 dot products (AVX512-BF16)\n", test);
  return true;
}

struct Case {
  Shape x;
  std::int64_t outputs, stride;

  Conv2dGeometry geometry() const { return {.kernel = 3, .stride = stride, .pad = 1}; }
  Shape y() const { return geometry().output_shape(x, outputs); }
  Shape w() const { return geometry().weight_shape(x[3], outputs); }
  std::string str() const { return fmt::format("x {} -> {} stride {}", x, outputs, stride); }
};

/// Edges that cut tiles, both strides, half panels of channels, and more channels than a product
/// takes at a time.
const std::vector<Case> cases = {{{1, 7, 6, 16}, 32, 1},   {{3, 13, 11, 32}, 16, 1}, {{2, 5, 9, 48}, 48, 1},  {{5, 28, 24, 16}, 16, 1},
                                 {{2, 14, 12, 32}, 48, 2}, {{3, 13, 11, 16}, 32, 2}, {{1, 7, 6, 272}, 48, 1}, {{9, 14, 12, 528}, 32, 1}};

Tensor normals(const Shape& shape, std::uint64_t seed) {
  const Random random(seed);
  Tensor values(shape, DType::f32);
  for (std::size_t i = 0; i < values.data<float>().size(); ++i) values.data<float>()[i] = static_cast<float>(random.normal(i));
  return values;
}

/// Multiples of `unit` up to 3 units.
Tensor integers(const Shape& shape, std::uint64_t seed, int unit) {
  const Random random(seed);
  Tensor values(shape, DType::f32);
  for (std::size_t i = 0; i < values.data<float>().size(); ++i) {
    values.data<float>()[i] = static_cast<float>(unit * (static_cast<int>(random.below(i, 7)) - 3));
  }
  return values;
}

Tensor forward(Cpu& cpu, const Case& test, const Tensor& x, const Conv2dWeights& w) {
  const Tensor y(test.y().with(0, x.extent(0)), x.dtype());
  y.fill(std::numeric_limits<double>::quiet_NaN());
  conv2d_forward(cpu, test.geometry(), x, w, {}, y);
  return y;
}

Tensor prepared_forward(Cpu& cpu, const Case& test, const Tensor& x, const Tensor& w) {
  Conv2dPrepared prepared;
  conv2d_prepare(cpu, test.geometry(), test.x, w, Conv2dPass::forward, prepared);
  CHECK(prepared.transformed.dtype() == (cpu.precision() == ProductPrecision::bf16 ? DType::bf16 : DType::f32));
  CHECK(conv2d_prepared_bytes(cpu, test.geometry(), test.x, test.outputs, DType::f32, Conv2dPass::forward) ==
        prepared.transformed.size_bytes());
  return forward(cpu, test, x, {w, &prepared});
}

bool same(const Tensor& a, const Tensor& b) { return std::memcmp(a.raw(), b.raw(), a.size_bytes()) == 0; }

double relative_distance(const Tensor& got, const Tensor& expected) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < got.data<float>().size(); ++i) {
    const double a = got.data<float>()[i], b = expected.data<float>()[i];
    difference += (a - b) * (a - b);
    size += b * b;
  }
  return std::sqrt(difference / size);
}

}  // namespace

TEST_CASE("conv2d bf16: integers are exact where their transforms are", "[conv2d]") {
  if (skipped("conv2d bf16: integers are exact where their transforms are")) return;
  // F(2,3) adds 4 values of x, and divides sums of 9 weights by 4: at most 8 bits of each.
  Cpu direct(2, ConvolutionAlgorithm::direct), bf16(2, ConvolutionAlgorithm::winograd_2, ProductPrecision::bf16);
  for (const Case& test : cases) {
    INFO(test.str());
    const Tensor x = integers(test.x, 1, 1), w = integers(test.w(), 2, 4);
    CHECK(same(prepared_forward(bf16, test, x, w), forward(direct, test, x, w)));
  }
}

TEST_CASE("conv2d bf16: as far from f32 as rounded factors are", "[conv2d]") {
  if (skipped("conv2d bf16: as far from f32 as rounded factors are")) return;
  using enum ConvolutionAlgorithm;
  // Rounding to 8 bits is off by 1.6e-3 in root mean square, a product of two by sqrt(2) as much:
  // 2.3e-3. The accuracy that the sums of a tile lose by cancelling grows with the tile, in the
  // ratio of the f32 columns of docs/numerics.md. Measured: up to 4.0e-3, 1.5e-2, 2.7e-2; a channel
  // that is multiplied with another's weight is off by 1.
  for (const auto& [algorithm, bar] : {std::pair(winograd_2, 6e-3), std::pair(winograd_3, 2e-2), std::pair(winograd_4, 3.5e-2)}) {
    Cpu f32(2, algorithm), bf16(2, algorithm, ProductPrecision::bf16);
    for (const Case& test : cases) {
      INFO(test.str() << ", " << name_of(algorithm));
      const Tensor x = normals(test.x, 1), w = normals(test.w(), 2);
      const double distance = relative_distance(prepared_forward(bf16, test, x, w), prepared_forward(f32, test, x, w));
      CHECK(distance < bar);
      CHECK(distance > 1e-3);  // bf16 was used
    }
  }
}

TEST_CASE("conv2d bf16: the same bits with 1, 2 and 4 threads, and for fewer images", "[conv2d]") {
  if (skipped("conv2d bf16: the same bits with 1, 2 and 4 threads, and for fewer images")) return;
  const Case test{{9, 14, 12, 32}, 48, 1};
  const Tensor x = normals(test.x, 1), w = normals(test.w(), 2);
  Cpu one(1, ConvolutionAlgorithm::winograd_4, ProductPrecision::bf16);
  const Tensor expected = prepared_forward(one, test, x, w);
  for (const int threads : {2, 4}) {
    Cpu cpu(threads, ConvolutionAlgorithm::winograd_4, ProductPrecision::bf16);
    CHECK(same(prepared_forward(cpu, test, x, w), expected));
    CHECK(same(prepared_forward(cpu, test, x.slice(4, 5), w), expected.slice(4, 5)));
  }
}

TEST_CASE("conv2d bf16: only prepared weights of f32, and only forward", "[conv2d]") {
  if (skipped("conv2d bf16: only prepared weights of f32, and only forward")) return;
  const Case test{{2, 14, 12, 32}, 48, 1};
  const Tensor x = normals(test.x, 1), w = normals(test.w(), 2), dy = normals(test.y(), 3);
  Cpu f32(2, ConvolutionAlgorithm::winograd_4), bf16(2, ConvolutionAlgorithm::winograd_4, ProductPrecision::bf16);
  CHECK(same(forward(bf16, test, x, w), forward(f32, test, x, w)));

  Conv2dPrepared prepared;
  conv2d_prepare(bf16, test.geometry(), test.x, w, Conv2dPass::data_gradient, prepared);
  CHECK(prepared.transformed.dtype() == DType::f32);
  conv2d_prepare(bf16, test.geometry(), test.x, w.cast(DType::f64), Conv2dPass::forward, prepared);
  CHECK(prepared.transformed.dtype() == DType::f64);

  const Tensor dx(test.x, DType::f32);
  CHECK_THROWS_WITH(conv2d_backward(bf16, test.geometry(), x, w, {}, dy, {.dx = {dx, Write::assign}}),
                    Contains("train on a device with f32"));

  conv2d_prepare(bf16, test.geometry(), test.x, w, Conv2dPass::forward, prepared);
  forward(bf16, test, x, {w, &prepared});
  CHECK(bf16.counts().size() == 2);
  CHECK(bf16.counts().begin()->first.ends_with(" bf16") != bf16.counts().rbegin()->first.ends_with(" bf16"));
}

TEST_CASE("conv2d bf16: tiles end at 4 outputs", "[conv2d]") {
  const auto tiles = [](ConvolutionAlgorithm algorithm, const Shape& x, std::int64_t stride) {
    return choose_tiles(algorithm, Case{x, 64, stride}.geometry(), x, 64, WeightTransform::once, ProductPrecision::bf16);
  };
  for (const Shape& x : {Shape{32, 56, 48, 64}, Shape{32, 14, 12, 256}, Shape{1, 28, 24, 128}}) {
    for (const std::int64_t stride : {1, 2}) {
      const Conv2dTiles automatic = tiles(ConvolutionAlgorithm::automatic, x, stride);
      CHECK((automatic && automatic.h <= 4 && automatic.w <= 4 && automatic.products == ProductPrecision::bf16));
    }
  }
  const Conv2dTiles forced = tiles(ConvolutionAlgorithm::winograd_6, {2, 14, 12, 32}, 1);
  CHECK((forced.h == 4 && forced.w == 4));
  CHECK_FALSE(tiles(ConvolutionAlgorithm::direct, {2, 14, 12, 32}, 1));
}
