// Which convolutions are computed by tiles, with which, and what the tiles look like: plain
// functions of the shapes.
#pragma once

#include "winograd.h"

#include <amnet/kernels/conv2d.h>

#include <string>
#include <string_view>

namespace amnet {

/// The outputs of a tile, for stride 1: F(h x w, 3x3); for stride 2 as many, by two phases. 0: no
/// tiles, a direct convolution. And what the products between the transforms take: bf16 in the
/// forward pass alone.
struct Conv2dTiles {
  int h = 0, w = 0;
  ProductPrecision products = ProductPrecision::f32;
  explicit operator bool() const { return h > 0; }
};

/// When the weights are transformed for the tiles: in every call, or once for many.
enum class WeightTransform : unsigned char { each_call, once };

/// The tiles that are expected to be fastest, or those that `algorithm` forces. x: (N,H,W,C). For
/// bf16 no more than 4 outputs along an axis: larger tiles lose too many digits.
Conv2dTiles choose_tiles(ConvolutionAlgorithm algorithm, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs,
                         WeightTransform weights = WeightTransform::each_call, ProductPrecision products = ProductPrecision::f32);

/// "forward 64->128, 3x3/2 on 56x48, 32 images: tiles 4x4", for the counts of a run.
std::string describe_convolution(std::string_view pass, const Conv2dGeometry& geometry, const Shape& x, std::int64_t outputs,
                                 const Conv2dTiles& tiles);

/// Of the forward pass and the weight gradient: targets are pixels of y.
template <class T>
TileGrid<T> forward_grid(const Conv2dGeometry& geometry, const Shape& x, const Shape& y, const Conv2dTiles& tiles) {
  const auto axis = [](std::int64_t stride, std::int64_t pad, std::int64_t source, std::int64_t target, int outputs) {
    const BilinearPasses<T>& passes = stride == 1 ? winograd_passes<T>(outputs) : stride2_passes<T>(outputs);
    return TileAxis<T>{&passes, source, target, outputs * stride, -pad};
  };
  return {axis(geometry.stride.height, geometry.pad.height, x[1], y[1], tiles.h),
          axis(geometry.stride.width, geometry.pad.width, x[2], y[2], tiles.w), x[0]};
}

/// Of the data gradient: targets are pixels of x.
template <class T>
TileGrid<T> data_grid(const Conv2dGeometry& geometry, const Shape& x, const Shape& y, const Conv2dTiles& tiles) {
  const auto axis = [](std::int64_t stride, std::int64_t pad, std::int64_t source, std::int64_t target, int outputs) {
    if (stride == 1) return TileAxis<T>{&winograd_passes<T>(outputs), source, target, outputs, pad - 2};
    return TileAxis<T>{&stride2_data_passes<T>(outputs), source, target, outputs, 0};
  };
  return {axis(geometry.stride.height, geometry.pad.height, y[1], x[1], tiles.h),
          axis(geometry.stride.width, geometry.pad.width, y[2], x[2], tiles.w), x[0]};
}

/// w: (O,3,3,C).
template <class T>
KernelView<T> forward_kernels(const Tensor& w) {
  const std::int64_t channels = w.extent(3);
  return {w.data<T>().data(), 3 * channels, channels, 1, 9 * channels};
}

/// For stride 1 the kernel turned by 180 degrees; the algorithms of stride 2 have that in their
/// matrices.
template <class T>
KernelView<T> data_kernels(const Conv2dGeometry& geometry, const Tensor& w) {
  const std::int64_t channels = w.extent(3);
  KernelView<T> view{w.data<T>().data(), 3 * channels, channels, 9 * channels, 1};
  if (geometry.stride.height == 1) view = {view.data + 8 * channels, -view.row_stride, -view.column_stride, view.source_stride, 1};
  return view;
}

}  // namespace amnet
