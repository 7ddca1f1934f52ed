#include "parallel.h"
#include "transpose.h"
#include "winograd_product.h"
#include "winograd_tiles.h"
#include "workspace.h"

namespace amnet {
namespace {

template <class T, class Factor>
struct Layout {
  std::int64_t source_channels, target_channels;
  std::int64_t u_stride;  // from one product to the next

  explicit Layout(const WinogradCorrelation<T, Factor>& task)
      : source_channels(task.source_channels),
        target_channels(task.target_channels),
        u_stride(task.source_channels * task.target_channels + line_elements<Factor>) {}
  static std::int64_t blocks(std::int64_t tiles) { return (tiles + tile_rows - 1) / tile_rows; }
  /// From one product to the next of a chunk, in V or M.
  template <class Element>
  static std::int64_t step(std::int64_t tiles, std::int64_t channels) {
    return blocks(tiles) * tile_rows * channels + line_elements<Element>;
  }
};

/// U of one panel of target channels and lanes<T> source channels from `k` on. Its lines go to as
/// many places as there are products, too many for the hardware to handle: they are collected first
/// and copied in runs, past the caches where U is too large to stay in them.
template <class T, class Factor>
void transform_kernels(const WinogradCorrelation<T, Factor>& task, const Layout<T, Factor>& layout, std::int64_t panel, std::int64_t k,
                       Factor* u) {
  constexpr std::int64_t too_large = 24 << 20;  // bytes
  const VectorPanels<T> panels{layout.target_channels};
  const KernelView<T>& kernels = task.kernels;
  const auto& h = *task.grid.h.passes;
  const auto& w = *task.grid.w.passes;
  constexpr std::int64_t square = lanes<T> * lanes<T>;
  alignas(64) T transposed[9 * square];
  TileBuffer<T> buffer;
  constexpr std::int64_t run_step = 2 * square + line_elements<T>;
  alignas(64) T runs[max_tile_products * max_tile_products * run_step];
  const std::int64_t width = panels.width_of(panel);
  for (std::int64_t vector = 0; vector < width; vector += lanes<T>) {
    const std::int64_t n = panel * VectorPanels<T>::width + vector;
    KernelView<T> view{kernels.data + k * kernels.source_stride + n * kernels.target_stride, kernels.row_stride, kernels.column_stride,
                       kernels.source_stride, kernels.target_stride};
    if (kernels.target_stride != 1) {
      for (int tap = 0; tap < 9; ++tap) {
        transpose_square(view.data + tap / 3 * kernels.row_stride + tap % 3 * kernels.column_stride, kernels.target_stride,
                         transposed + tap * square, lanes<T>);
      }
      view = {transposed, 3 * square, square, lanes<T>, 1};
    }
    for (int lane = 0; lane < lanes<T>; ++lane) {
      const T* first = view.data + lane * view.source_stride;
      const T* rows[3] = {first, first + view.row_stride, first + 2 * view.row_stride};
      h.kernel.height(rows, 0, view.column_stride, 0, 3, 3, buffer.lines);
      w.kernel.width(buffer.lines, h.products, runs + lane * width + vector, run_step);
    }
  }
  const int products = task.grid.products();
  const bool streams = products * layout.u_stride * static_cast<std::int64_t>(sizeof(Factor)) > too_large;
  for (int product = 0; product < products; ++product) {
    const T* run = runs + product * run_step;
    Factor* to = u + product * layout.u_stride + panel * VectorPanels<T>::width * layout.source_channels + k * width;
    for (int lane = 0; lane < lanes<T>; lane += factors_per_lane<T, Factor>, run += factors_per_lane<T, Factor> * width) {
      for (std::int64_t n = 0; n < width; n += lanes<T>, to += lanes<Factor>) {
        const Vector<Factor> factors = load_factors<Factor>(run + n, width);
        streams ? stream(to, factors) : store(to, factors);
      }
    }
  }
  if (streams) stream_fence();
}

template <class T, class Factor>
void transform_source(const WinogradCorrelation<T, Factor>& task, std::int64_t first_tile, std::int64_t tiles, const T* zeros, Factor* v,
                      std::int64_t v_stride) {
  const TileGrid<T>& grid = task.grid;
  const auto& h = *grid.h.passes;
  const auto& w = *grid.w.passes;
  const std::int64_t channels = task.source_channels, row_elements = grid.w.source * channels;
  TileBuffer<T> buffer;
  for (std::int64_t t = 0; t < tiles; ++t) {
    const TilePosition position = position_of(grid, first_tile + t);
    const TileSpan rows(position.row * grid.h.step + grid.h.origin, grid.h.source, h.inputs);
    const TileSpan columns(position.column * grid.w.step + grid.w.origin, grid.w.source, w.inputs);
    const TileRows<T> lines(task.source + position.image * grid.h.source * row_elements, row_elements, rows, zeros);
    Factor* to = v + (t / tile_rows * channels * tile_rows) + t % tile_rows * lanes<T>;
    for (std::int64_t c = 0; c < channels; c += lanes<T>, to += tile_rows * lanes<T>) {
      h.input.height(lines.rows, columns.first * channels + c, channels, columns.begin, columns.end, w.inputs, buffer.lines);
      if constexpr (std::is_same_v<Factor, T>) {
        w.input.width(buffer.lines, h.products, to, v_stride);
      } else {
        w.rounded_input_width(buffer.lines, h.products, to, v_stride);
      }
    }
  }
}

template <class T, class Factor>
void transform_products(const WinogradCorrelation<T, Factor>& task, std::int64_t first_tile, std::int64_t tiles, std::int64_t first_channel,
                        std::int64_t end_channel, const T* m, std::int64_t m_stride) {
  const TileGrid<T>& grid = task.grid;
  const auto& h = *grid.h.passes;
  const auto& w = *grid.w.passes;
  const std::int64_t channels = task.target_channels, row_elements = grid.w.target * channels;
  // a copy, which no store through a pointer can change: its members stay in registers
  const Epilogue<T> epilogue = task.epilogue;
  const T* const addends = epilogue.addends();
  TileBuffer<T> half, values, read;
  for (std::int64_t t = 0; t < tiles; ++t) {
    const TilePosition position = position_of(grid, first_tile + t);
    const std::int64_t row = position.row * h.outputs, column = position.column * w.outputs;
    const int rows = static_cast<int>(std::min<std::int64_t>(h.outputs, grid.h.target - row));
    const int columns = static_cast<int>(std::min<std::int64_t>(w.outputs, grid.w.target - column));
    const std::int64_t offset = (position.image * grid.h.target + row) * row_elements + column * channels;
    const T* from = m + (t / tile_rows * channels + first_channel) * tile_rows + t % tile_rows * lanes<T>;
    for (std::int64_t c = first_channel; c < end_channel; c += lanes<T>, from += tile_rows * lanes<T>) {
      h.output.height(from, m_stride, w.products, half.lines);
      w.output.width(half.lines, rows, values.lines);
      const auto for_each_pixel = [&](auto&& use) {
        for (int i = 0; i < rows; ++i) {
          for (int j = 0; j < columns; ++j) use((i * w.outputs + j) * lanes<T>, offset + i * row_elements + j * channels);
        }
      };
      // Before any store of this tile: see the note on addresses in winograd_tiles.h.
      if (addends != nullptr) {
        for_each_pixel([&](std::int64_t line, std::int64_t at) { store(read.lines + line, load(addends + at + c)); });
        for_each_pixel(
            [&](std::int64_t line, std::int64_t at) { epilogue.put(load(values.lines + line), load(read.lines + line), at, c); });
      } else {
        for_each_pixel([&](std::int64_t line, std::int64_t at) { epilogue.put(load(values.lines + line), Vector<T>{}, at, c); });
      }
    }
  }
  if (epilogue.stream_sums) stream_fence();
}

/// M of a chunk. The weights are the part that does not fit in a cache: a panel of them is read
/// while the one before is multiplied with all blocks.
template <class T, class Factor>
void multiply(const WinogradCorrelation<T, Factor>& task, const Layout<T, Factor>& layout, std::int64_t blocks, std::int64_t first_panel,
              std::int64_t end_panel, const Factor* u, const Factor* v, std::int64_t v_stride, T* m, std::int64_t m_stride) {
  const VectorPanels<T> panels{layout.target_channels};
  const std::int64_t channels = layout.source_channels;
  for (int product = 0; product < task.grid.products(); ++product) {
    for (std::int64_t panel = first_panel; panel < end_panel; ++panel) {
      const std::int64_t n = panel * VectorPanels<T>::width, width = panels.width_of(panel);
      const Factor* weights = u + product * layout.u_stride + n * channels;
      for (std::int64_t k = 0; k < channels; k += product_depth<Factor>) {
        const std::int64_t depth = std::min(product_depth<Factor>, channels - k);
        const auto lines = static_cast<int>((width * lanes<T> / line_elements<Factor> + blocks - 1) / blocks);
        const Factor* next = weights + (k + depth) * width;
        for (std::int64_t block = 0; block < blocks; ++block) {
          const Factor* values = v + product * v_stride + (block * channels + k) * tile_rows;
          T* to = m + product * m_stride + (block * layout.target_channels + n) * tile_rows;
          const Ahead<Factor> ahead{next + block * lines * line_elements<Factor> * (depth / lanes<T>), lines};
          if (panels.whole(panel)) {
            multiply_tiles<T, Factor, 2>(values, weights + k * width, depth, to, tile_rows * lanes<T>, k > 0, ahead);
          } else {
            multiply_tiles<T, Factor, 1>(values, weights + k * width, depth, to, tile_rows * lanes<T>, k > 0, ahead);
          }
        }
      }
    }
  }
}

/// Tiles of a chunk: V and M of a chunk should stay in a core's second-level cache, but all of U is
/// read for every chunk.
template <class T, class Factor>
std::int64_t chunk_tiles(const WinogradCorrelation<T, Factor>& task, int threads) {
  constexpr std::int64_t cache_bytes = 1 << 19, fewest = 2 * tile_rows;
  const std::int64_t tile_bytes = task.grid.products() * (task.source_channels * static_cast<std::int64_t>(sizeof(Factor)) +
                                                          task.target_channels * static_cast<std::int64_t>(sizeof(T)));
  const std::int64_t most =
      std::max(fewest, std::max<std::int64_t>(cache_bytes / tile_bytes, (task.source_channels + task.target_channels) / 24));
  // As many chunks for each thread, and whole blocks.
  const std::int64_t rounds = (task.grid.tiles() + most * threads - 1) / (most * threads);
  const std::int64_t even = (task.grid.tiles() + rounds * threads - 1) / (rounds * threads);
  return (even + tile_rows - 1) / tile_rows * tile_rows;
}

/// What one call needs. Where there would be at most one chunk for each thread, reading the weights
/// takes most of the time: the threads then share the tiles and divide the target channels, so that
/// each reads only its part of the weights.
template <class T, class Factor>
struct Room {
  bool shared;
  std::int64_t chunk;                                              // tiles
  std::int64_t v_stride, m_stride;                                 // from one product to the next
  std::int64_t u_elements, v_elements, m_elements, zero_elements;  // of T: the room they take
  WorkspaceSize<T> size;

  Room(const WinogradCorrelation<T, Factor>& task, const Layout<T, Factor>& layout, int threads) {
    const std::int64_t tiles = task.grid.tiles();
    chunk = chunk_tiles(task, threads);
    shared = threads > 1 && chunk * threads >= tiles;
    if (shared) chunk = layout.blocks(tiles) * tile_rows;
    v_stride = layout.template step<Factor>(chunk, layout.source_channels);
    m_stride = layout.template step<T>(chunk, layout.target_channels);
    v_elements = task.grid.products() * v_stride / factors_per_lane<T, Factor>;
    m_elements = task.grid.products() * m_stride;
    zero_elements = (task.grid.w.source * layout.source_channels + line_elements<T> - 1) / line_elements<T> * line_elements<T>;
    u_elements = task.transformed == nullptr ? task.grid.products() * layout.u_stride / factors_per_lane<T, Factor> : 0;
    const std::int64_t of_tiles = zero_elements + v_elements + m_elements;
    size = shared ? WorkspaceSize<T>{u_elements + of_tiles, 0} : WorkspaceSize<T>{u_elements, of_tiles};
  }
};

/// Where the tiles of a chunk lie.
template <class T, class Factor>
struct ChunkBuffers {
  T* zeros;  // a row of the source
  Factor* v;
  T* m;

  ChunkBuffers(const Room<T, Factor>& room, T* memory)
      : zeros(memory), v(reinterpret_cast<Factor*>(zeros + room.zero_elements)), m(zeros + room.zero_elements + room.v_elements) {
    std::fill_n(zeros, room.zero_elements, T{0});
  }
};

}  // namespace

template <class T, class Factor>
ScratchBytes winograd_correlate_scratch(int threads, const WinogradCorrelation<T, Factor>& task) {
  return Room<T, Factor>(task, Layout<T, Factor>(task), threads).size.bytes();
}

template <class T, class Factor>
std::int64_t winograd_kernel_elements(const WinogradCorrelation<T, Factor>& task) {
  return task.grid.products() * Layout<T, Factor>(task).u_stride;
}

template <class T, class Factor>
void winograd_transform_kernels(Cpu& cpu, const WinogradCorrelation<T, Factor>& task, Factor* u) {
  const Layout<T, Factor> layout(task);
  const std::int64_t lines = layout.source_channels / lanes<T>;
  parallel_for(cpu, VectorPanels<T>{layout.target_channels}.count() * lines,
               [&](std::int64_t piece, int) { transform_kernels(task, layout, piece / lines, piece % lines * lanes<T>, u); });
}

template <class T, class Factor>
void winograd_correlate(Cpu& cpu, const WinogradCorrelation<T, Factor>& task) {
  const Layout<T, Factor> layout(task);
  const Room<T, Factor> room(task, layout, cpu.threads());
  const std::int64_t tiles = task.grid.tiles(), chunk = room.chunk;
  const Workspace<T> workspace(cpu, room.size);
  auto* const transformed = reinterpret_cast<Factor*>(workspace.shared());
  const Factor* u = task.transformed;
  if (u == nullptr) {
    winograd_transform_kernels(cpu, task, transformed);
    u = transformed;
  }
  const std::int64_t panels = VectorPanels<T>{layout.target_channels}.count();
  // The last block's missing tiles are uninitialised: they are multiplied, and the results are
  // never read.
  if (room.shared) {
    const ChunkBuffers<T, Factor> buffers(room, workspace.shared() + room.u_elements);
    const std::int64_t blocks = layout.blocks(tiles), parts = std::min<std::int64_t>(cpu.threads(), panels);
    parallel_for(cpu, blocks, [&](std::int64_t block, int) {
      const std::int64_t begin = block * tile_rows;
      transform_source(task, begin, std::min<std::int64_t>(tile_rows, tiles - begin), buffers.zeros,
                       buffers.v + begin * layout.source_channels, room.v_stride);
    });
    parallel_for(cpu, parts, [&](std::int64_t part, int) {
      const std::int64_t begin = panels * part / parts, end = panels * (part + 1) / parts, width = VectorPanels<T>::width;
      multiply(task, layout, blocks, begin, end, u, buffers.v, room.v_stride, buffers.m, room.m_stride);
      transform_products(task, 0, tiles, begin * width, std::min(end * width, layout.target_channels), buffers.m, room.m_stride);
    });
    return;
  }
  parallel_for(cpu, (tiles + chunk - 1) / chunk, [&](std::int64_t piece, int worker) {
    const ChunkBuffers<T, Factor> buffers(room, workspace.local(worker));
    const std::int64_t first = piece * chunk, count = std::min(chunk, tiles - first);
    transform_source(task, first, count, buffers.zeros, buffers.v, room.v_stride);
    multiply(task, layout, layout.blocks(count), 0, panels, u, buffers.v, room.v_stride, buffers.m, room.m_stride);
    transform_products(task, first, count, 0, layout.target_channels, buffers.m, room.m_stride);
  });
}

template void winograd_transform_kernels(Cpu&, const WinogradCorrelation<float>&, float*);
template void winograd_transform_kernels(Cpu&, const WinogradCorrelation<double>&, double*);
template std::int64_t winograd_kernel_elements(const WinogradCorrelation<float>&);
template std::int64_t winograd_kernel_elements(const WinogradCorrelation<double>&);
template void winograd_correlate(Cpu&, const WinogradCorrelation<float>&);
template void winograd_correlate(Cpu&, const WinogradCorrelation<double>&);
template ScratchBytes winograd_correlate_scratch(int, const WinogradCorrelation<float>&);
template ScratchBytes winograd_correlate_scratch(int, const WinogradCorrelation<double>&);
#if defined(__AVX512BF16__)
template void winograd_transform_kernels(Cpu&, const WinogradCorrelation<float, BFloat16>&, BFloat16*);
template std::int64_t winograd_kernel_elements(const WinogradCorrelation<float, BFloat16>&);
template void winograd_correlate(Cpu&, const WinogradCorrelation<float, BFloat16>&);
#endif

}  // namespace amnet
