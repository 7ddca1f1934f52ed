#include "conv2d_tiles.h"

#include <algorithm>
#include <cmath>

namespace amnet {
namespace {

/// Whether the tile algorithms cover this convolution at all: 3x3 without dilation, stride 1 with a
/// padding of at most 2, so that the data gradient's padding is not negative, or stride 2 with
/// padding 1; whole vectors of channels.
bool tiles_fit(const Conv2dGeometry& geometry, std::int64_t channels, std::int64_t outputs) {
  // floats of the longest vector: the same rule on every instruction set
  constexpr std::int64_t vector = 16;
  const bool three = geometry.kernel == 3 && geometry.dilation == 1;
  const bool stride1 = geometry.stride == 1 && geometry.pad.height <= 2 && geometry.pad.width <= 2;
  const bool stride2 = geometry.stride == 2 && geometry.pad == 1;
  return three && (stride1 || stride2) && geometry.groups == 1 && channels % vector == 0 && outputs % vector == 0;
}

int products_of(std::int64_t stride, int outputs) { return stride == 1 ? outputs + 2 : 2 * outputs + 1; }

// Estimates of the work, in multiplications at the products' rate. The other rates were measured
// against it: transforming one value of a tile costs as much as 2 multiplications for every product
// of either axis; reading one weight as much as 24, and what comes before that, transforming it for
// tiles or packing it, 32 and 40.
constexpr double reading = 24, transforming = 32, packing = 40;

double cost_of(const Conv2dGeometry& geometry, const Shape& x, const Shape& y, const Conv2dTiles& tiles, WeightTransform weights) {
  const auto tiles_along = [](std::int64_t extent, int outputs) { return (extent + outputs - 1) / outputs; };
  const int rows = products_of(geometry.stride.height, tiles.h), columns = products_of(geometry.stride.width, tiles.w);
  const double count = static_cast<double>(x[0] * tiles_along(y[1], tiles.h) * tiles_along(y[2], tiles.w));
  const double rounded = std::ceil(count / 8) * 8;  // products take blocks of as many
  const auto channels = static_cast<double>(x[3]), outputs = static_cast<double>(y[3]);
  const double weight = weights == WeightTransform::once ? reading : reading + transforming;
  return rows * columns * ((rounded + weight) * channels * outputs + count * 2 * (rows + columns) * (channels + outputs));
}

/// A direct convolution's products reach three quarters of that rate.
double direct_cost_of(const Shape& x, const Shape& y) {
  const std::int64_t pixels = y[0] * y[1] * y[2];
  return 9 * (static_cast<double>(pixels) * 4 / 3 + reading + packing) * static_cast<double>(x[3] * y[3]);
}

}  // namespace

Conv2dTiles choose_tiles(ConvolutionAlgorithm algorithm, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs,
                         WeightTransform weights, ProductPrecision products) {
  if (algorithm == ConvolutionAlgorithm::direct || !tiles_fit(geometry, x[3], outputs)) return {};
  const Shape y = geometry.output_shape(x, outputs);
  const int largest = geometry.stride.height == 1 && products == ProductPrecision::f32 ? 6 : 4;
  if (algorithm != ConvolutionAlgorithm::automatic) {
    const int forced = 2 + static_cast<int>(algorithm) - static_cast<int>(ConvolutionAlgorithm::winograd_2);
    return {std::min(forced, largest), std::min(forced, largest), products};
  }
  double best = direct_cost_of(x, y);
  Conv2dTiles tiles;
  for (int h = 2; h <= largest; ++h) {
    for (int w = 2; w <= largest; ++w) {
      const double cost = cost_of(geometry, x, y, {h, w}, weights);
      if (cost < best) best = cost, tiles = {h, w, products};
    }
  }
  return tiles;
}

std::string describe_convolution(std::string_view pass, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs,
                                 const Conv2dTiles& tiles) {
  const std::string algorithm =
      tiles ? fmt::format("tiles {}x{}{}", tiles.h, tiles.w, tiles.products == ProductPrecision::bf16 ? " bf16" : "") : "direct";
  return fmt::format("{} {}->{}, {}/{} on {}x{}, {} images: {}", pass, x[3], outputs, geometry.kernel, geometry.stride.height, x[1], x[2],
                     x[0], algorithm);
}

}  // namespace amnet
