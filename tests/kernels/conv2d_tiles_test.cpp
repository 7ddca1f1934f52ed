// Convolution by tiles, and everything that may follow a convolution in the same step, compared
// with the direct algorithm and plain kernels.
#include "catch.h"

#include <amnet/core/random.h>
#include <amnet/kernels/add.h>
#include <amnet/kernels/bias.h>
#include <amnet/kernels/conv2d.h>
#include <amnet/kernels/prelu.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "cpu/conv2d_tiles.h"

using namespace amnet;

namespace {

constexpr ConvolutionAlgorithm algorithms[] = {
    ConvolutionAlgorithm::automatic,  ConvolutionAlgorithm::direct,     ConvolutionAlgorithm::winograd_2, ConvolutionAlgorithm::winograd_3,
    ConvolutionAlgorithm::winograd_4, ConvolutionAlgorithm::winograd_5, ConvolutionAlgorithm::winograd_6};

Conv2dGeometry three_by_three(std::int64_t stride, std::int64_t pad = 1) { return {.kernel = 3, .stride = stride, .pad = pad}; }

Tensor normals(const Shape& shape, std::uint64_t seed, DType dtype) {
  const Random random(seed);
  Tensor values(shape, DType::f32);
  for (std::size_t i = 0; i < values.data<float>().size(); ++i) values.data<float>()[i] = static_cast<float>(random.normal(i));
  return values.cast(dtype);
}

Tensor poisoned(const Shape& shape, DType dtype) {
  Tensor tensor(shape, dtype);
  tensor.fill(std::numeric_limits<double>::quiet_NaN());
  return tensor;
}

double relative_distance(const Tensor& got, const Tensor& expected) {
  const Tensor a = got.cast(DType::f64), b = expected.cast(DType::f64);
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.data<double>().size(); ++i) {
    const double x = a.data<double>()[i], y = b.data<double>()[i];
    difference += (x - y) * (x - y);
    size += y * y;
  }
  return std::sqrt(difference) / std::max(std::sqrt(size), 1e-300);
}

struct Case {
  Shape x;
  std::int64_t outputs;
  Conv2dGeometry geometry;

  Shape y() const { return geometry.output_shape(x, outputs); }
  std::string str() const { return fmt::format("x {} -> {} stride {} pad {}", x, outputs, geometry.stride, geometry.pad); }
};

/// The results of a step of convolution, bias, PReLU and sum, forward and backward.
struct Results {
  Tensor y, sums, dx, dw, dbias, dslope;
};

struct Data {
  Tensor x, w, bias, slope, residual, dy;

  Data(const Case& test, DType dtype, std::int64_t slopes)
      : x(normals(test.x, 1, dtype)),
        w(normals(test.geometry.weight_shape(test.x[3], test.outputs), 2, dtype)),
        bias(normals({test.outputs}, 3, dtype)),
        slope(normals({slopes}, 4, dtype)),
        residual(normals(test.y(), 5, dtype)),
        dy(normals(test.y(), 6, dtype)) {}
};

/// In one step, by the given backend.
Results fused(Cpu& cpu, const Case& test, const Data& data, Write write) {
  const DType dtype = data.x.dtype();
  const auto start = [&](const Tensor& like, std::uint64_t seed) {
    return write == Write::add ? normals(like.shape(), seed, dtype) : poisoned(like.shape(), dtype);
  };
  Results results{.y = poisoned(test.y(), dtype),
                  .sums = poisoned(test.y(), dtype),
                  .dx = start(data.x, 7),
                  .dw = start(data.w, 8),
                  .dbias = start(data.bias, 9),
                  .dslope = start(data.slope, 10)};
  conv2d_forward(cpu, test.geometry, data.x, data.w,
                 {.bias = data.bias, .slope = data.slope, .residual = data.residual, .sums = results.sums}, results.y);
  conv2d_backward(
      cpu, test.geometry, data.x, data.w, {.slope = data.slope, .sums = results.sums, .dz = poisoned(test.y(), dtype)}, data.dy,
      {.dx = {results.dx, write}, .dw = {results.dw, write}, .dbias = {results.dbias, write}, .dslope = {results.dslope, write}});
  return results;
}

/// One kernel after the other, with the direct convolution.
Results one_by_one(const Case& test, const Data& data, Write write) {
  Cpu cpu(2, ConvolutionAlgorithm::direct);
  const DType dtype = data.x.dtype();
  const auto start = [&](const Tensor& like, std::uint64_t seed) {
    return write == Write::add ? normals(like.shape(), seed, dtype) : poisoned(like.shape(), dtype);
  };
  Results results{.y = Tensor(test.y(), dtype),
                  .sums = Tensor(test.y(), dtype),
                  .dx = start(data.x, 7),
                  .dw = start(data.w, 8),
                  .dbias = start(data.bias, 9),
                  .dslope = start(data.slope, 10)};
  conv2d_forward(cpu, test.geometry, data.x, data.w, {.bias = data.bias}, results.sums);
  const Tensor active(test.y(), dtype), dz(test.y(), dtype);
  prelu_forward(cpu, results.sums, data.slope, active);
  add_forward(cpu, std::vector<Tensor>{data.residual, active}, results.y);
  prelu_backward(cpu, results.sums, data.slope, data.dy, {dz, Write::assign}, {results.dslope, write});
  bias_backward(cpu, dz, {results.dbias, write});
  conv2d_backward(cpu, test.geometry, data.x, data.w, {}, dz, {.dx = {results.dx, write}, .dw = {results.dw, write}});
  return results;
}

void compare(const Results& got, const Results& expected, double bar) {
  CHECK(relative_distance(got.y, expected.y) < bar);
  CHECK(relative_distance(got.sums, expected.sums) < bar);
  CHECK(relative_distance(got.dx, expected.dx) < bar);
  CHECK(relative_distance(got.dw, expected.dw) < bar);
  CHECK(relative_distance(got.dbias, expected.dbias) < bar);
  CHECK(relative_distance(got.dslope, expected.dslope) < bar);
}

/// Maps whose edges cut tiles everywhere, both strides, all paddings, half panels of channels, more
/// channels than a product takes at a time, one image and several.
const std::vector<Case> small_cases = {
    {{1, 7, 6, 16}, 32, three_by_three(1)},    {{3, 13, 11, 32}, 16, three_by_three(1)}, {{2, 5, 9, 48}, 48, three_by_three(1, 0)},
    {{2, 4, 3, 16}, 16, three_by_three(1, 2)}, {{1, 1, 1, 16}, 16, three_by_three(1)},   {{4, 7, 6, 64}, 64, three_by_three(1)},
    {{2, 14, 12, 32}, 48, three_by_three(2)},  {{3, 13, 11, 16}, 32, three_by_three(2)}, {{1, 1, 2, 16}, 16, three_by_three(2)},
    {{5, 28, 24, 16}, 16, three_by_three(1)},  {{2, 30, 17, 32}, 32, three_by_three(2)}, {{1, 7, 6, 208}, 176, three_by_three(1)},
};

}  // namespace

TEST_CASE("conv2d tiles: every algorithm and pass agrees with the direct one", "[conv2d]") {
  for (const ConvolutionAlgorithm algorithm : algorithms) {
    Cpu cpu(2, algorithm);
    for (const Case& test : small_cases) {
      INFO(test.str() << ", algorithm " << static_cast<int>(algorithm));
      for (const DType dtype : {DType::f64, DType::f32}) {
        for (const Write write : {Write::assign, Write::add}) {
          // One slope for all channels sums terms that cancel: compared only in double.
          const Data data(test, dtype, write == Write::add && dtype == DType::f64 ? 1 : test.outputs);
          compare(fused(cpu, test, data, write), one_by_one(test, data, write), dtype == DType::f64 ? 1e-12 : 2e-5);
        }
      }
    }
  }
}

TEST_CASE("conv2d tiles: sums over many chunks", "[conv2d]") {
  // More tiles than a chunk of the weight gradient has: of few channels, where each thread has
  // separate sums, and of more.
  const Case few{{40, 23, 20, 16}, 16, three_by_three(1)}, more{{6, 23, 20, 64}, 64, three_by_three(1)};
  for (const auto& [test, algorithm] :
       {std::pair(few, ConvolutionAlgorithm::winograd_2), std::pair(more, ConvolutionAlgorithm::winograd_6)}) {
    INFO(test.str());
    const Data data(test, DType::f64, test.outputs);
    Cpu cpu(2, algorithm);
    compare(fused(cpu, test, data, Write::assign), one_by_one(test, data, Write::assign), 1e-12);
  }
}

TEST_CASE("conv2d tiles: the same bits with 1, 2 and 4 threads", "[conv2d]") {
  const Case test{{9, 14, 12, 32}, 32, three_by_three(1)};
  const Data data(test, DType::f32, test.outputs);
  Cpu one(1, ConvolutionAlgorithm::winograd_4);
  const Results expected = fused(one, test, data, Write::assign);
  for (const int threads : {2, 4}) {
    Cpu cpu(threads, ConvolutionAlgorithm::winograd_4);
    const Results results = fused(cpu, test, data, Write::assign);
    const auto same = [](const Tensor& a, const Tensor& b) { return std::memcmp(a.raw(), b.raw(), a.size_bytes()) == 0; };
    CHECK(same(results.y, expected.y));
    CHECK(same(results.dx, expected.dx));
    CHECK(same(results.dw, expected.dw));
    CHECK(same(results.dbias, expected.dbias));
    CHECK(same(results.dslope, expected.dslope));
  }
}

TEST_CASE("conv2d tiles: prepared weights give the same bits, for fewer images too", "[conv2d]") {
  // The second has transformed weights that are stored past the caches.
  for (const Case& test : {Case{{9, 14, 12, 32}, 48, three_by_three(1)}, Case{{2, 6, 6, 336}, 336, three_by_three(1)},
                           Case{{2, 14, 12, 32}, 48, three_by_three(2)}}) {
    INFO(test.str());
    const Data data(test, DType::f32, test.outputs);
    Cpu cpu(2, ConvolutionAlgorithm::winograd_6);
    Conv2dPrepared forward, backward;
    conv2d_prepare(cpu, test.geometry, test.x, normals(data.w.shape(), 7, DType::f32), Conv2dPass::forward, forward);
    const void* memory = forward.transformed.raw();
    conv2d_prepare(cpu, test.geometry, test.x, data.w, Conv2dPass::forward, forward);
    CHECK(forward.transformed.raw() == memory);
    conv2d_prepare(cpu, test.geometry, test.x, data.w, Conv2dPass::data_gradient, backward);
    const Shape& shape = test.x;
    CHECK(conv2d_prepared_bytes(cpu, test.geometry, shape, test.outputs, DType::f32, Conv2dPass::forward) ==
          forward.transformed.size_bytes());
    for (const std::int64_t images : {test.x[0], std::int64_t{1}}) {
      const Tensor x = data.x.slice(0, images), dy = data.dy.slice(0, images);
      const auto run = [&](const Conv2dWeights& first, const Conv2dWeights& second) {
        const Tensor y = poisoned(dy.shape(), DType::f32), dx = poisoned(x.shape(), DType::f32);
        conv2d_forward(cpu, test.geometry, x, first, {.bias = data.bias}, y);
        conv2d_backward(cpu, test.geometry, x, second, {}, dy, {.dx = {dx, Write::assign}});
        return std::pair(y, dx);
      };
      const auto [y, dx] = run(data.w, data.w);
      const auto [prepared_y, prepared_dx] = run({data.w, &forward}, {data.w, &backward});
      CHECK(std::memcmp(y.raw(), prepared_y.raw(), y.size_bytes()) == 0);
      CHECK(std::memcmp(dx.raw(), prepared_dx.raw(), dx.size_bytes()) == 0);
    }
  }
  // Where tiles do not fit there is nothing to prepare.
  const Case test{{1, 8, 8, 16}, 24, three_by_three(1)};
  const Data data(test, DType::f32, test.outputs);
  Cpu cpu(1);
  Conv2dPrepared direct;
  conv2d_prepare(cpu, test.geometry, test.x, data.w, Conv2dPass::forward, direct);
  CHECK_FALSE(direct.transformed.defined());
  CHECK_NOTHROW(conv2d_forward(cpu, test.geometry, data.x, {data.w, &direct}, {}, Tensor(test.y(), DType::f32)));
}

TEST_CASE("conv2d tiles: what they do not cover is computed directly", "[conv2d]") {
  const auto tiles = [](const Conv2dGeometry& geometry, std::int64_t channels, std::int64_t outputs) {
    return static_cast<bool>(choose_tiles(ConvolutionAlgorithm::winograd_4, geometry, {2, 20, 20, channels}, outputs));
  };
  CHECK(tiles(three_by_three(1), 16, 32));
  CHECK(tiles(three_by_three(2), 16, 32));
  CHECK_FALSE(tiles(three_by_three(1), 3, 32));
  CHECK_FALSE(tiles(three_by_three(1), 16, 24));
  CHECK_FALSE(tiles(three_by_three(1, 3), 16, 16));
  CHECK_FALSE(tiles(three_by_three(2, 0), 16, 16));
  CHECK_FALSE(tiles(three_by_three(2, 2), 16, 16));
  CHECK_FALSE(tiles(three_by_three(3), 16, 16));
  CHECK_FALSE(tiles({.kernel = 5, .pad = 2}, 16, 16));
  CHECK_FALSE(tiles({.kernel = 3, .stride = {2, 1}, .pad = 1}, 16, 16));
  CHECK_FALSE(tiles({.kernel = 3, .pad = 1, .groups = 2}, 32, 32));
  CHECK_FALSE(choose_tiles(ConvolutionAlgorithm::direct, three_by_three(1), {2, 20, 20, 16}, 16));
}

TEST_CASE("conv2d tiles: a backend counts what it ran", "[conv2d]") {
  const Case test{{1, 8, 8, 16}, 16, three_by_three(1)};
  const Data data(test, DType::f32, test.outputs);
  Cpu cpu(1, ConvolutionAlgorithm::winograd_6);
  fused(cpu, test, data, Write::assign);
  fused(cpu, test, data, Write::assign);
  CHECK(cpu.counts() == std::map<std::string, std::int64_t>{{"forward 16->16, 3x3/1 on 8x8, 1 images: tiles 6x6", 2},
                                                            {"data gradient 16->16, 3x3/1 on 8x8, 1 images: tiles 6x6", 2},
                                                            {"weight gradient 16->16, 3x3/1 on 8x8, 1 images: tiles 6x6", 2}});
}

TEST_CASE("conv2d: a step through a PReLU needs its sums and room of its own", "[conv2d]") {
  const Case test{{1, 8, 8, 16}, 16, three_by_three(1)};
  const Data data(test, DType::f32, test.outputs);
  Cpu cpu(1);
  const Tensor dw(data.w.shape(), DType::f32), sums = data.residual;
  const auto run = [&](const Conv2dActivation& activation) {
    conv2d_backward(cpu, test.geometry, data.x, data.w, activation, data.dy, {.dw = {dw, Write::assign}});
  };
  CHECK_NOTHROW(run({.slope = data.slope, .sums = sums, .dz = Tensor(test.y(), DType::f32)}));
  CHECK_THROWS_AS(run({.slope = data.slope, .sums = sums}), UsageError);
  CHECK_THROWS_AS(run({.slope = data.slope, .sums = sums, .dz = data.dy}), UsageError);
  CHECK_THROWS_AS(run({.slope = data.slope, .dz = Tensor(test.y(), DType::f32)}), UsageError);
  CHECK_THROWS_AS(run({.slope = Tensor::zeros({5}, DType::f32), .sums = sums, .dz = Tensor(test.y(), DType::f32)}), UsageError);
  CHECK_THROWS_AS(
      conv2d_forward(cpu, test.geometry, data.x, data.w, {.residual = data.x.reshaped({1, 4, 16, 16})}, Tensor(test.y(), DType::f32)),
      UsageError);
}

TEST_CASE("conv2d tiles: the scratch memory is what was forecast", "[conv2d]") {
  for (const Case& test : {Case{{40, 23, 20, 16}, 32, three_by_three(1)}, Case{{4, 14, 12, 64}, 128, three_by_three(2)},
                           Case{{2, 14, 12, 128}, 128, three_by_three(1)}}) {
    INFO(test.str());
    const Data data(test, DType::f32, test.outputs);
    Cpu cpu(2, ConvolutionAlgorithm::winograd_4);
    conv2d_forward(cpu, test.geometry, data.x, data.w, {}, Tensor(test.y(), DType::f32));
    CHECK(cpu.scratch_bytes() == conv2d_scratch(cpu, test.geometry, test.x, test.outputs, DType::f32, false).total(2));
    fused(cpu, test, data, Write::assign);
    CHECK(cpu.scratch_bytes() == conv2d_scratch(cpu, test.geometry, test.x, test.outputs, DType::f32, true).total(2));
  }
}
