// How a convolution is cut into pieces that stay in a core's own cache: tiles of target pixels,
// blocks of source channels, and the copy of the source pixels that a tile reads, with zeros where
// the image ends. Everything here depends on shapes alone, never on the number of threads.
#pragma once

#include "parallel.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace amnet {

/// Which source pixels a target pixel reads: target (i,j) reads the source rows i*stride_h +
/// origin_h + [0, taps_h), and the columns likewise; what lies outside of the source is zero.
struct Window {
  std::int64_t source_h, source_w;
  std::int64_t target_h, target_w;
  std::int64_t taps_h, taps_w;
  std::int64_t stride_h, stride_w;
  std::int64_t origin_h, origin_w;

  std::int64_t taps() const { return taps_h * taps_w; }
};

/// [0, extent) in `count` parts that differ by at most one.
struct Parts {
  std::int64_t extent, count;
  static Parts of_at_most(std::int64_t extent, std::int64_t size) { return {extent, std::max<std::int64_t>(1, ceil_div(extent, size))}; }
  std::int64_t begin(std::int64_t part) const { return extent * part / count; }
  std::int64_t size(std::int64_t part) const { return begin(part + 1) - begin(part); }
  std::int64_t largest() const { return ceil_div(extent, count); }
};

/// The same, cut at multiples of `grain`.
struct Blocks {
  std::int64_t extent, size, count;
  static Blocks of_at_most(std::int64_t extent, std::int64_t size, std::int64_t grain) {
    const std::int64_t count = std::max<std::int64_t>(1, ceil_div(extent, size));
    const std::int64_t even = ceil_div(ceil_div(extent, count), grain) * grain;
    return {extent, std::min(even, extent), std::max<std::int64_t>(1, ceil_div(extent, even))};
  }
  std::int64_t begin(std::int64_t block) const { return block * size; }
  std::int64_t size_of(std::int64_t block) const { return std::min(size, extent - begin(block)); }
};

/// A box of target pixels.
struct Tile {
  std::int64_t image, images, row, rows, column, columns;
  std::int64_t lines() const { return images * rows; }
  std::int64_t pixels() const { return lines() * columns; }
};

/// All target pixels of a batch, cut into tiles of at most `max_pixels`: parts of a row, rows of an
/// image, or images.
class Tiling {
 public:
  static constexpr std::int64_t max_pixels = 256;

  Tiling(const Window& window, std::int64_t images)
      : columns_(Parts::of_at_most(window.target_w, max_pixels)),
        rows_(Parts::of_at_most(window.target_h, max_pixels / columns_.largest())),
        images_(
            Parts::of_at_most(images, rows_.count > 1 || columns_.count > 1 ? 1 : max_pixels / (columns_.largest() * rows_.largest()))) {}

  std::int64_t count() const { return images_.count * rows_.count * columns_.count; }
  Tile operator[](std::int64_t index) const {
    const std::int64_t column = index % columns_.count;
    const std::int64_t row = index / columns_.count % rows_.count;
    const std::int64_t image = index / columns_.count / rows_.count;
    return {images_.begin(image), images_.size(image), rows_.begin(row), rows_.size(row), columns_.begin(column), columns_.size(column)};
  }
  /// The tile with the largest extents, for sizing memory.
  Tile largest() const { return {0, images_.largest(), 0, rows_.largest(), 0, columns_.largest()}; }

 private:
  Parts columns_, rows_, images_;
};

/// The source channels a tile works on at a time: their patches (taps * channels elements) and as
/// many rows of packed weights fit in the first-level cache.
inline Blocks channel_blocks(std::int64_t taps, std::int64_t channels) {
  constexpr std::int64_t patch_elements = 320;
  const std::int64_t most = std::max<std::int64_t>(4, patch_elements / std::max<std::int64_t>(1, taps));
  const std::int64_t grain = most >= 16 ? 16 : 4;
  return Blocks::of_at_most(channels, most / grain * grain, grain);
}

/// The layout of the source pixels that a tile reads, after they are copied.
struct Footprint {
  std::int64_t rows, columns, channels;
  Footprint(const Window& window, const Tile& tile, std::int64_t channel_count)
      : rows((tile.rows - 1) * window.stride_h + window.taps_h),
        columns((tile.columns - 1) * window.stride_w + window.taps_w),
        channels(channel_count) {}
  std::int64_t row_pitch() const { return columns * channels; }
  std::int64_t image_pitch() const { return rows * row_pitch(); }
};

/// The pixels of a source tensor (N,H,W,C), from one channel on.
template <class T>
struct Source {
  const T* data;
  std::int64_t channels;  // C: from one pixel to the next
};

/// Copies what `tile` reads of `footprint.channels` channels to `to` (images, rows, columns,
/// channels).
template <class T>
void copy_footprint(const Window& window, const Tile& tile, const Footprint& footprint, const Source<T>& source, T* to) {
  const std::int64_t channels = footprint.channels;
  const std::int64_t first = tile.column * window.stride_w + window.origin_w;
  const std::int64_t inside_begin = std::clamp<std::int64_t>(-first, 0, footprint.columns);
  const std::int64_t inside_end = std::clamp<std::int64_t>(window.source_w - first, inside_begin, footprint.columns);
  for (std::int64_t image = 0; image < tile.images; ++image) {
    for (std::int64_t row = 0; row < footprint.rows; ++row, to += footprint.row_pitch()) {
      const std::int64_t y = tile.row * window.stride_h + window.origin_h + row;
      if (y < 0 || y >= window.source_h || inside_begin == inside_end) {
        std::fill_n(to, footprint.row_pitch(), T{0});
        continue;
      }
      const T* from =
          source.data + (((tile.image + image) * window.source_h + y) * window.source_w + first + inside_begin) * source.channels;
      T* out = std::fill_n(to, inside_begin * channels, T{0});
      if (channels == source.channels) {
        out = std::copy_n(from, (inside_end - inside_begin) * channels, out);
      } else {
        for (std::int64_t x = inside_begin; x < inside_end; ++x, from += source.channels) out = std::copy_n(from, channels, out);
      }
      std::fill(out, to + footprint.row_pitch(), T{0});
    }
  }
}

/// Where in the copy the first pixel of each line (image row) of the tile begins.
inline void line_offsets(const Window& window, const Tile& tile, const Footprint& footprint,
                         std::array<std::int64_t, Tiling::max_pixels>& offsets) {
  for (std::int64_t line = 0; line < tile.lines(); ++line) {
    offsets[static_cast<std::size_t>(line)] =
        line / tile.rows * footprint.image_pitch() + line % tile.rows * window.stride_h * footprint.row_pitch();
  }
}

}  // namespace amnet
