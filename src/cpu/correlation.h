// The correlation of a source with packed weights: what the forward pass of a convolution is, and
// each phase of its data gradient. Target pixels are cut into tiles; a tile copies the part that it
// reads of a block of source channels and multiplies it by all weights of that block
// (matrix_product.h), then takes the next block of channels.
#pragma once

#include "direct_tiles.h"
#include "epilogue.h"
#include "matrix_product.h"
#include "parallel.h"
#include "workspace.h"

namespace amnet {

/// A view of the weights as the matrix (tap, source channel) x (target channel).
template <class T>
struct WeightView {
  const T* data;
  std::int64_t tap_row_stride, tap_column_stride, source_stride, target_stride;
};

/// The target pixels (i,j) of a tensor (N,H,W,C): pixel (i,j) of image n lies n * image_stride + i *
/// row_stride + j * column_stride after the epilogue's y.
struct Target {
  std::int64_t image_stride, row_stride, column_stride;
  std::int64_t channels;  // to be written
};

template <class T>
struct Correlation {
  Window window;
  std::int64_t images;
  Source<T> source;
  std::int64_t source_channels;  // to be read
  WeightView<T> weights;
  Target target;
  Epilogue<T> epilogue;
};

/// Target channels in panels of two vectors, the last one of a single vector where that is enough.
template <class T>
struct Panels {
  std::int64_t channels;
  static constexpr std::int64_t width = 2 * lanes<T>;
  std::int64_t count() const { return ceil_div(channels, width); }
  std::int64_t begin(std::int64_t panel) const { return panel * width; }
  std::int64_t used(std::int64_t panel) const { return std::min(width, channels - begin(panel)); }
  std::int64_t padded(std::int64_t panel) const { return used(panel) > lanes<T> ? width : lanes<T>; }
  std::int64_t padded_channels() const { return count() == 0 ? 0 : begin(count() - 1) + padded(count() - 1); }
};

/// Packs the weights of one panel and one block of source channels as (tap row, tap column, source
/// channel) x column.
template <class T>
void pack_panel(const Window& window, const WeightView<T>& weights, std::int64_t source_begin, std::int64_t sources,
                std::int64_t target_begin, std::int64_t used, std::int64_t padded, T* to) {
  for (std::int64_t row = 0; row < window.taps_h; ++row) {
    for (std::int64_t column = 0; column < window.taps_w; ++column, to += sources * padded) {
      const T* from = weights.data + row * weights.tap_row_stride + column * weights.tap_column_stride +
                      source_begin * weights.source_stride + target_begin * weights.target_stride;
      for (std::int64_t c = 0; c < sources; ++c) std::fill_n(to + c * padded + used, padded - used, T{0});
      if (weights.target_stride == 1) {
        for (std::int64_t c = 0; c < sources; ++c) std::copy_n(from + c * weights.source_stride, used, to + c * padded);
      } else {
        // A transposition, a few rows of the panel at a time: they stay in cache while every column
        // fills them. No hardware prefetcher can follow that many streams; with prefetches here,
        // weights 10516 x 512 take 5.0 ms instead of 11.6 (batch 32, a Zen 5 core).
        constexpr std::int64_t strip = 16;
        for (std::int64_t begin = 0; begin < sources; begin += strip) {
          const std::int64_t end = std::min(sources, begin + strip);
          for (std::int64_t j = 0; j < used; ++j) {
            __builtin_prefetch(from + j * weights.target_stride + end * weights.source_stride);
            for (std::int64_t c = begin; c < end; ++c) to[c * padded + j] = from[j * weights.target_stride + c * weights.source_stride];
          }
        }
      }
    }
  }
}

/// Up to group_rows target pixels of one line.
struct PixelGroup {
  std::int64_t source, target, pixels;
};

/// The groups of a tile; at most one for each pixel.
struct PixelGroups {
  std::array<PixelGroup, Tiling::max_pixels> groups;
  std::int64_t count = 0;

  void lay_out(const Window& window, const Tile& tile, const Footprint& footprint, const Target& target) {
    count = 0;
    for (std::int64_t line = 0; line < tile.lines(); ++line) {
      const std::int64_t image = line / tile.rows;
      const std::int64_t row = line % tile.rows;
      const std::int64_t source = image * footprint.image_pitch() + row * window.stride_h * footprint.row_pitch();
      const std::int64_t to =
          (tile.image + image) * target.image_stride + (tile.row + row) * target.row_stride + tile.column * target.column_stride;
      for (std::int64_t j = 0; j < tile.columns; j += group_rows) {
        groups[static_cast<std::size_t>(count++)] = {source + j * window.stride_w * footprint.channels, to + j * target.column_stride,
                                                     std::min<std::int64_t>(group_rows, tile.columns - j)};
      }
    }
  }
};

/// Puts the `used` sums of a panel where the epilogue says, `at` after its first pixel.
template <int Vectors, class T>
void put_row(const T* row, const Epilogue<T>& epilogue, std::int64_t at, std::int64_t used) {
  if (used == Vectors * lanes<T>) {
    for (int v = 0; v < Vectors; ++v) epilogue.put(load(row + v * lanes<T>), at, v * lanes<T>);
  } else {
    for (std::int64_t c = 0; c < used; ++c) epilogue.put_one(row[c], at, c);
  }
}

/// One panel of results for all pixels of a tile. The epilogue is that of these columns.
template <class T, int Vectors>
void correlate_panel(const PixelGroups& pixels, const T* patches, std::int64_t stride, const PatchShape& shape, const T* weights,
                     const Epilogue<T>& epilogue, std::int64_t target_stride, std::int64_t used) {
  using Block = PatchBlock<T, Vectors>;
  alignas(vector_bytes) T tile[Block::rows * Block::columns];
  for (std::int64_t first = 0; first < pixels.count; first += Block::groups) {
    const T* rows[Block::groups];
    for (std::int64_t g = 0; g < Block::groups; ++g) {
      rows[g] = patches + pixels.groups[static_cast<std::size_t>(std::min(first + g, pixels.count - 1))].source;
    }
    multiply_patches<T, Vectors>(rows, stride, shape, weights, tile);
    for (std::int64_t g = 0; g < Block::groups && first + g < pixels.count; ++g) {
      const PixelGroup& group = pixels.groups[static_cast<std::size_t>(first + g)];
      for (std::int64_t r = 0; r < group.pixels; ++r) {
        put_row<Vectors>(tile + (g * group_rows + r) * Block::columns, epilogue, group.target + r * target_stride, used);
      }
    }
  }
}

template <class T>
void correlate(Cpu& cpu, const Correlation<T>& task) {
  const Window& window = task.window;
  if (task.images * window.target_h * window.target_w * task.target.channels == 0) return;
  const Tiling tiling(window, task.images);
  const Blocks blocks = channel_blocks(window.taps(), task.source_channels);
  const Panels<T> panels{task.target.channels};

  // Few tiles (a fully connected layer) are shared out by panels as well.
  constexpr std::int64_t wanted_pieces = 16, panels_per_piece = 4;
  const std::int64_t splits =
      std::clamp<std::int64_t>(ceil_div(wanted_pieces, tiling.count()), 1, ceil_div(panels.count(), panels_per_piece));

  const std::int64_t packed_elements = window.taps() * task.source_channels * panels.padded_channels();
  // The last group of a line reads up to group_rows - 1 pixels too many.
  const std::int64_t copied_elements =
      tiling.largest().images * Footprint(window, tiling.largest(), blocks.size).image_pitch() + group_rows * window.stride_w * blocks.size;
  const Workspace<T> workspace(cpu, packed_elements, copied_elements);

  T* packed = workspace.shared();
  const auto packed_panel = [&](std::int64_t block, std::int64_t panel) {
    return packed + window.taps() * (blocks.begin(block) * panels.padded_channels() + blocks.size_of(block) * panels.begin(panel));
  };
  parallel_for(cpu, blocks.count * panels.count(), [&](std::int64_t piece, int) {
    const std::int64_t block = piece / panels.count(), panel = piece % panels.count();
    pack_panel(window, task.weights, blocks.begin(block), blocks.size_of(block), panels.begin(panel), panels.used(panel),
               panels.padded(panel), packed_panel(block, panel));
  });

  // Blocks of source channels add up in y; what follows the sums follows the last block.
  const auto block_epilogue = [&](std::int64_t block) {
    Epilogue<T> epilogue = block + 1 == blocks.count ? task.epilogue : Epilogue<T>{.y = task.epilogue.y};
    epilogue.write = block > 0 ? Write::add : task.epilogue.write;
    return epilogue;
  };
  parallel_for(cpu, tiling.count() * splits, [&](std::int64_t piece, int worker) {
    const Tile tile = tiling[piece / splits];
    const std::int64_t split = piece % splits;
    T* copied = workspace.local(worker);
    PixelGroups pixels;
    for (std::int64_t block = 0; block < blocks.count; ++block) {
      const std::int64_t channels = blocks.size_of(block);
      const Footprint footprint(window, tile, channels);
      copy_footprint(window, tile, footprint, {task.source.data + blocks.begin(block), task.source.channels}, copied);
      pixels.lay_out(window, tile, footprint, task.target);
      const PatchShape shape{window.taps_h, window.taps_w * channels, footprint.row_pitch()};
      const std::int64_t stride = window.stride_w * channels;
      for (std::int64_t panel = panels.count() * split / splits; panel < panels.count() * (split + 1) / splits; ++panel) {
        const Epilogue<T> epilogue = block_epilogue(block).from_channel(panels.begin(panel));
        if (panels.padded(panel) == Panels<T>::width) {
          correlate_panel<T, 2>(pixels, copied, stride, shape, packed_panel(block, panel), epilogue, task.target.column_stride,
                                panels.used(panel));
        } else {
          correlate_panel<T, 1>(pixels, copied, stride, shape, packed_panel(block, panel), epilogue, task.target.column_stride,
                                panels.used(panel));
        }
      }
    }
  });
}

}  // namespace amnet
