// The weight gradient: dw(o, tap, c) = the sum over output pixels of dy(pixel, o) * x(the pixel at
// the tap, c). It is cut into blocks of output channels and input channels, and the pixels into
// parts where there are few blocks. A worker sums one block over one part, tile by tile; parts are
// then added in order.
#include "direct_convolution.h"
#include "matrix_product.h"
#include "parallel.h"
#include "workspace.h"

namespace amnet {
namespace {

/// One group of a convolution.
template <class T>
struct WeightGradient {
  Window window;
  std::int64_t images;
  Source<T> x;
  std::int64_t inputs;
  Source<T> dy;
  std::int64_t outputs;
  T* dw;  // (outputs, taps, inputs)
  Write write;
};

/// Copies `outputs` channels of a tile's dy as (panel, pixel, outer_rows), the last panel filled up
/// with zeros.
template <class T>
void pack_outputs(const Window& window, const Tile& tile, const Source<T>& dy, std::int64_t outputs, T* to) {
  for (std::int64_t o = 0; o < outputs; o += outer_rows) {
    const std::int64_t used = std::min<std::int64_t>(outer_rows, outputs - o);
    for (std::int64_t line = 0; line < tile.lines(); ++line) {
      const std::int64_t row = (tile.image + line / tile.rows) * window.target_h + tile.row + line % tile.rows;
      const T* from = dy.data + (row * window.target_w + tile.column) * dy.channels + o;
      for (std::int64_t j = 0; j < tile.columns; ++j, from += dy.channels, to += outer_rows) {
        if (used == outer_rows) {
          std::copy_n(from, outer_rows, to);
        } else {
          std::fill_n(std::copy_n(from, used, to), outer_rows - used, T{0});
        }
      }
    }
  }
}

/// sums (outputs, taps, channels) += the products of one tile. `copied`: its footprint of x;
/// `packed`: of pack_outputs.
template <class T>
void add_tile(const Window& window, const Tile& tile, const Footprint& footprint, const T* copied, const T* packed, std::int64_t outputs,
              T* sums) {
  std::array<std::int64_t, Tiling::max_pixels> offsets;
  line_offsets(window, tile, footprint, offsets);
  // contiguous in x and in the weights
  const std::int64_t run = window.taps_w * footprint.channels;
  const std::int64_t patch = window.taps_h * run;
  const std::int64_t stride = window.stride_w * footprint.channels;
  constexpr std::int64_t width = outer_vectors * lanes<T>;
  alignas(vector_bytes) T product[outer_rows * width];
  for (std::int64_t tap_row = 0; tap_row < window.taps_h; ++tap_row) {
    for (std::int64_t k = 0; k < run; k += width) {
      const std::int64_t used = std::min(width, run - k);
      const std::int64_t vectors = ceil_div(used, lanes<T>);
      const T* x = copied + tap_row * footprint.row_pitch() + k;
      for (std::int64_t o = 0; o < outputs; o += outer_rows) {
        const T* dy = packed + o * tile.pixels();
        if (vectors == 3) {
          sum_outer_products<T, 3>(dy, x, offsets.data(), tile.lines(), tile.columns, stride, product);
        } else if (vectors == 2) {
          sum_outer_products<T, 2>(dy, x, offsets.data(), tile.lines(), tile.columns, stride, product);
        } else {
          sum_outer_products<T, 1>(dy, x, offsets.data(), tile.lines(), tile.columns, stride, product);
        }
        for (std::int64_t r = 0; r < std::min<std::int64_t>(outer_rows, outputs - o); ++r) {
          put_all(sums + (o + r) * patch + tap_row * run + k, product + r * vectors * lanes<T>, used, Write::add);
        }
      }
    }
  }
}

template <class T>
void weight_gradient(Cpu& cpu, const WeightGradient<T>& task) {
  constexpr std::int64_t most_outputs = 128, wanted_pieces = 32;
  const Window& window = task.window;
  const std::int64_t patch = window.taps() * task.inputs;
  const std::int64_t size = task.outputs * patch;
  if (task.images == 0) {
    if (task.write == Write::assign) std::fill_n(task.dw, size, T{0});
    return;
  }
  const Tiling tiling(window, task.images);
  const Blocks inputs = channel_blocks(window.taps(), task.inputs);
  const Blocks outputs = Blocks::of_at_most(task.outputs, most_outputs, outer_rows);
  const Parts parts{tiling.count(), std::clamp<std::int64_t>(wanted_pieces / (inputs.count * outputs.count), 1, tiling.count())};
  const bool direct = parts.count == 1;

  // The last vectors of a line may read beyond the pixels of a tap.
  const std::int64_t copied_elements =
      tiling.largest().images * Footprint(window, tiling.largest(), inputs.size).image_pitch() + outer_vectors * lanes<T>;
  const std::int64_t packed_elements = Tiling::max_pixels * ceil_div(outputs.size, outer_rows) * outer_rows;
  const std::int64_t sums_elements = outputs.size * window.taps() * inputs.size;
  const Workspace<T> workspace(cpu, direct ? 0 : parts.count * size, copied_elements + packed_elements + sums_elements);

  parallel_for(cpu, parts.count * inputs.count * outputs.count, [&](std::int64_t piece, int worker) {
    const std::int64_t part = piece / (inputs.count * outputs.count);
    const std::int64_t input_block = piece / outputs.count % inputs.count, output_block = piece % outputs.count;
    const std::int64_t channels = inputs.size_of(input_block), c = inputs.begin(input_block);
    const std::int64_t block_outputs = outputs.size_of(output_block), o = outputs.begin(output_block);
    T* packed = workspace.local(worker);
    T* copied = packed + packed_elements;
    T* sums = copied + copied_elements;
    std::fill_n(sums, block_outputs * window.taps() * channels, T{0});
    for (std::int64_t index = parts.begin(part); index < parts.begin(part + 1); ++index) {
      const Tile tile = tiling[index];
      const Footprint footprint(window, tile, channels);
      copy_footprint(window, tile, footprint, {task.x.data + c, task.x.channels}, copied);
      pack_outputs(window, tile, {task.dy.data + o, task.dy.channels}, block_outputs, packed);
      add_tile(window, tile, footprint, copied, packed, block_outputs, sums);
    }
    T* to = direct ? task.dw : workspace.shared() + part * size;
    const Write write = direct ? task.write : Write::assign;
    for (std::int64_t run = 0; run < block_outputs * window.taps(); ++run) {
      put_all(to + (o * window.taps() + run) * task.inputs + c, sums + run * channels, channels, write);
    }
  });
  if (direct) return;

  const std::int64_t pieces = pieces_of(size, parts.count);
  parallel_for(cpu, pieces, [&](std::int64_t piece, int) {
    const auto [begin, end] = piece_rows(size, pieces, piece);
    T* first = workspace.shared();
    for (std::int64_t part = 1; part < parts.count; ++part) {
      put_all(first + begin, first + part * size + begin, end - begin, Write::add);
    }
    put_all(task.dw + begin, first + begin, end - begin, task.write);
  });
}

}  // namespace

void direct_backward_weights(Cpu& cpu, const Conv2dGeometry& geometry, const Tensor& x, const Tensor& dy, const Gradient& dw) {
  const Shape weights = dw.tensor.shape();
  const std::int64_t group_outputs = weights[0] / geometry.groups, group_channels = weights[3];
  with_float(x.dtype(), "conv2d", [&]<class T>() {
    for (std::int64_t group = 0; group < geometry.groups; ++group) {
      weight_gradient<T>(cpu, {.window = forward_window(geometry, x.shape(), dy.shape()),
                               .images = x.extent(0),
                               .x = {x.data<T>().data() + group * group_channels, x.extent(3)},
                               .inputs = group_channels,
                               .dy = {dy.data<T>().data() + group * group_outputs, dy.extent(3)},
                               .outputs = group_outputs,
                               .dw = dw.tensor.data<T>().data() + group * group_outputs * weights.count_from(1),
                               .write = dw.write});
    }
  });
}

}  // namespace amnet
