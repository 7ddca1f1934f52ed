// Convolutions of 3x3 taps by tiles: every tile of the source is transformed, the channels of each
// product are multiplied as one matrix product over many tiles, and the results are transformed
// back. Stride 1 is Winograd's F(m,3); stride 2 and its gradients are algorithms of the same form
// (bilinear.h), so one engine runs them all.
//
// A chunk of tiles goes through all three steps while it lies in a core's own cache. Layouts, with
// L = lanes<T> and R = tile_rows:
//
//   V  transformed source    [product][block of R tiles][channel / L][R][L]
//   U  transformed weights   [product][panel of 2 L target channels][source channel / S][2 L][S]
//   M  products              [product][block of R tiles][target channel / L][R][L]
//
// Images stay channels-last. Activations in blocks of 16 channels were no faster in any pass: a
// tile reads all channels of its pixels, one vector after the other.
//
// V and U hold factors (bfloat16.h), of T or of bf16, and S = factors_per_lane of them share one
// lane: 1, or 2 for bf16.
//
// The stride from one product to the next is a cache line more than needed: strides of a power of
// two would use few sets of the cache.
#pragma once

#include "epilogue.h"
#include "tile_transform.h"

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

namespace amnet {

/// One dimension of a tiling: tile t makes the targets [t * outputs, ...) from the sources [t *
/// step + origin, ...).
template <class T>
struct TileAxis {
  const BilinearPasses<T>* passes;
  std::int64_t source, target;  // extents in pixels
  std::int64_t step, origin;

  std::int64_t tiles() const { return (target + passes->outputs - 1) / passes->outputs; }
};

template <class T>
struct TileGrid {
  TileAxis<T> h, w;
  std::int64_t images;

  std::int64_t tiles() const { return images * h.tiles() * w.tiles(); }
  int products() const { return h.passes->products * w.passes->products; }
};

/// Where a tile lies.
struct TilePosition {
  std::int64_t image, row, column;  // row and column in tiles
};

template <class T>
TilePosition position_of(const TileGrid<T>& grid, std::int64_t tile) {
  return {tile / (grid.h.tiles() * grid.w.tiles()), tile / grid.w.tiles() % grid.h.tiles(), tile % grid.w.tiles()};
}

/// The weights as 3x3 kernels from source channel k to target channel n: tap (a, b) lies at data +
/// a * row_stride + b * column_stride + k * source_stride + n * target_stride; source_stride or
/// target_stride is 1.
template <class T>
struct KernelView {
  const T* data;
  std::int64_t row_stride, column_stride, source_stride, target_stride;
};

template <class T, class Factor = T>
struct WinogradCorrelation {
  TileGrid<T> grid;
  const T* source = nullptr;     // (N,H,W,source_channels)
  std::int64_t source_channels;  // a multiple of lanes<T>
  KernelView<T> kernels = {};
  // U of these kernels, where it was made before; null: made in this call
  const Factor* transformed = nullptr;
  std::int64_t target_channels;  // a multiple of lanes<T>
  Epilogue<T> epilogue = {};     // of (N,H,W,target_channels)
};

/// Every target pixel. The bits do not depend on the chunks, nor on the number of threads: each
/// tile is summed on its own.
template <class T, class Factor>
void winograd_correlate(Cpu& cpu, const WinogradCorrelation<T, Factor>& task);
/// The scratch it takes; the pointers of `task` may be null.
template <class T, class Factor>
ScratchBytes winograd_correlate_scratch(int threads, const WinogradCorrelation<T, Factor>& task);

/// U of the task's kernels, for many calls; grid.h.passes, grid.w.passes and the channels say
/// which.
template <class T, class Factor>
void winograd_transform_kernels(Cpu& cpu, const WinogradCorrelation<T, Factor>& task, Factor* u);
template <class T, class Factor>
std::int64_t winograd_kernel_elements(const WinogradCorrelation<T, Factor>& task);

/// The gradient of the weights, and in the same pass those of PReLU and bias: with dz = dy *
/// prelu'(sums), dw = the sum of dz * x, dslope = the sum of dy * sums where sums <= 0, dbias = the
/// sum of dz.
template <class T>
struct WinogradWeightGradient {
  TileGrid<T> grid;          // of the forward pass
  const T* x = nullptr;      // (N,H,W,channels)
  std::int64_t channels;     // a multiple of lanes<T>
  const T* dy = nullptr;     // (N,OH,OW,outputs)
  std::int64_t outputs;      // a multiple of lanes<T>
  const T* sums = nullptr;   // as dy; null: no PReLU
  const T* slope = nullptr;  // (outputs)
  T* dz = nullptr;           // as dy: where dz is kept, if sums are given
  T* dslope = nullptr;       // (outputs), assigned; null: not wanted
  T* dbias = nullptr;        // (outputs), assigned; null: not wanted
  T* dw = nullptr;           // (outputs, 3, 3, channels), as `write` says
  Write write = Write::assign;
};

/// Chunks and pieces depend on the shape alone, and so does the order of every sum.
template <class T>
void winograd_weight_gradient(Cpu& cpu, const WinogradWeightGradient<T>& task);
/// The scratch it takes; the pointers of `task` may be null.
template <class T>
ScratchBytes winograd_weight_gradient_scratch(const WinogradWeightGradient<T>& task);

}  // namespace amnet
