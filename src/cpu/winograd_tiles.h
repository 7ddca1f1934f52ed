// What the passes of winograd.h share: reading a tile, and the panels of channels.
//
// A note on addresses. Tensors of one shape often lie a multiple of 4096 bytes apart, and pixels a
// fraction of it. Processors treat a load as dependent on an earlier store if the lowest 12 bits of
// both addresses are the same, so that a loop which reads one tensor and writes another, pixel by
// pixel, waits for every store to reach the cache (the weight gradient of stage 3: 10.4 instead of
// 7.3 ms). A pass therefore reads all pixels of a tile's line of channels before it writes the
// first.
#pragma once

#include "winograd.h"

#include <algorithm>

namespace amnet {

/// Channels in panels of two vectors; where their number is odd, the last has one.
template <class T>
struct VectorPanels {
  std::int64_t channels;  // a multiple of lanes<T>
  static constexpr std::int64_t width = 2 * lanes<T>;
  std::int64_t count() const { return (channels + width - 1) / width; }
  bool whole(std::int64_t panel) const { return (panel + 1) * width <= channels; }
  std::int64_t width_of(std::int64_t panel) const { return whole(panel) ? width : lanes<T>; }
};

/// The part of one axis that a tile reads: positions [begin, end) of [0, length) lie in the image,
/// the first at `first`.
struct TileSpan {
  std::int64_t first;
  int begin, end, length;

  TileSpan(std::int64_t from, std::int64_t extent, int count)
      : first(from),
        begin(static_cast<int>(std::clamp<std::int64_t>(-from, 0, count))),
        end(static_cast<int>(std::clamp<std::int64_t>(extent - from, begin, count))),
        length(count) {}
};

/// Pointers to the rows of an image (H,W,C) that a tile reads; rows outside are `zeros` (W,C).
template <class T>
struct TileRows {
  const T* rows[max_tile_inputs];

  TileRows(const T* image, std::int64_t row_elements, const TileSpan& span, const T* zeros) {
    for (int i = 0; i < span.length; ++i) rows[i] = i >= span.begin && i < span.end ? image + (span.first + i) * row_elements : zeros;
  }
};

/// Room for one tile between its two passes.
template <class T>
struct TileBuffer {
  alignas(64) T lines[max_tile_products * max_tile_products * lanes<T>];
};

}  // namespace amnet
