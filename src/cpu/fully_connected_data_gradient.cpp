// The gradient of x: dx is shared out by columns, and where there are few of them the sum over the
// rows of w by parts. See fully_connected_passes.h.
#include "fully_connected_passes.h"
#include "transpose.h"

namespace amnet {
namespace {

/// Rows of w that are multiplied at a time. They stay in the second-level cache together with the
/// next ones, which are fetched meanwhile: for a piece of 512 columns 393 KB where that cache has
/// 512 KB, and twice as much where it has 2 MB.
constexpr std::int64_t rows_at_a_time = vector_bytes < 64 ? panel_depth / 2 : panel_depth;

/// into (samples x columns) (+)= dy w for `outputs` rows of w, which are read in place if possible;
/// scaled by 1 / norms where there are any.
template <class T>
void multiply_outputs(std::int64_t samples, std::int64_t columns, std::int64_t outputs, Lines<const T> dy, Lines<const T> w, const T* norms,
                      Lines<T> into, Write write, T* room) {
  constexpr std::int64_t width = panel_columns<T>;
  T* const slopes = room;
  T* const panel_copy = slopes + samples * rows_at_a_time;
  T* const tail = panel_copy + rows_at_a_time * width;
  // Rows whole pages apart share a few sets of the first-level cache, so that a panel does not stay
  // there unless it is copied.
  const bool same_sets = w.stride * static_cast<std::int64_t>(sizeof(T)) % 4096 == 0;
  for (std::int64_t output = 0; output < outputs; output += rows_at_a_time) {
    const std::int64_t depth = std::min(rows_at_a_time, outputs - output);
    transpose(samples, depth, dy.from_column(output).at, dy.stride, slopes, samples);
    for (std::int64_t k = 0; k < depth && norms != nullptr; ++k) {
      const T scale = 1 / norms[output + k];
      for (std::int64_t n = 0; n < samples; ++n) slopes[k * samples + n] *= scale;
    }
    const SideBySide<T> factor{slopes, samples};
    const Put put = output == 0 ? put_of(write) : Put::add;
    for (std::int64_t column = 0; column < columns; column += width) {
      const Lines<const T> in_place = w.from_row(output).from_column(column), copy{panel_copy, width};
      const std::int64_t here = std::min(width, columns - column);
      const bool copies = here < width || same_sets;
      if (copies) pack_panel(depth, here, in_place, panel_copy);
      Next<T> next;
      next.b_rows = depth;
      // rows without a gap: memory is fastest line by line, so the next rows are fetched meanwhile,
      // in order
      if (w.stride == columns) {
        next.b = {w.from_row(output + depth).at + column * depth, width};
      } else {
        next.b = column + width < columns ? in_place.from_column(width) : w.from_row(output + depth);
      }
      multiply_panel<T, 2>(samples, depth, factor, copies ? copy : in_place,
                           here < width ? Lines<T>{tail, width} : into.from_column(column), here < width ? Put::assign : put, next);
      for (std::int64_t n = 0; n < samples && here < width; ++n) {
        put_all(into.from_row(n).from_column(column).at, tail + n * width, here, put == Put::add ? Write::add : Write::assign);
      }
    }
  }
}
template <class T>
std::int64_t multiply_outputs_room(std::int64_t samples) {
  return samples * (rows_at_a_time + panel_columns<T>)+rows_at_a_time * panel_columns<T>;
}

/// Parts of the sum over the rows of w: one, unless w has few columns.
std::int64_t parts_of(const FullyConnectedSizes& sizes) {
  constexpr std::int64_t enough_pieces = 16, least_outputs = 512;
  const std::int64_t chunks = ceil_div(sizes.inputs, piece_columns);
  return std::clamp<std::int64_t>(sizes.outputs / least_outputs, 1, std::max<std::int64_t>(1, enough_pieces / chunks));
}

}  // namespace

template <class T>
WorkspaceSize<T> inner_product_backward_data_size(const FullyConnectedSizes& sizes) {
  const std::int64_t parts = parts_of(sizes);
  return {parts > 1 ? parts * sizes.samples * sizes.inputs : 0, multiply_outputs_room<T>(sizes.samples)};
}

template <class T>
void inner_product_backward_data(Cpu& cpu, const FullyConnectedSizes& sizes, const T* dy, const T* w, const T* norms, T* dx, Write write) {
  const std::int64_t samples = sizes.samples, inputs = sizes.inputs, outputs = sizes.outputs;
  const std::int64_t chunks = ceil_div(inputs, piece_columns);
  const std::int64_t parts = parts_of(sizes), elements = samples * inputs;
  const Workspace<T> room(cpu, inner_product_backward_data_size<T>(sizes));
  parallel_for(cpu, chunks * parts, [&](std::int64_t piece, int worker) {
    const std::int64_t part = piece / chunks;
    const std::int64_t begin = piece % chunks * piece_columns, columns = std::min(piece_columns, inputs - begin);
    const auto [first, last] = piece_rows(outputs, parts, part);
    const Lines<T> into{(parts > 1 ? room.shared() + part * elements : dx) + begin, inputs};
    multiply_outputs<T>(samples, columns, last - first, {dy + first, outputs}, {w + first * inputs + begin, inputs},
                        norms != nullptr ? norms + first : nullptr, into, parts > 1 ? Write::assign : write, room.local(worker));
  });
  if (parts == 1) return;
  const std::int64_t pieces = pieces_of(elements, 1);
  parallel_for(cpu, pieces, [&](std::int64_t piece, int) {
    const auto [begin, end] = piece_rows(elements, pieces, piece);
    add_parts(room.shared() + begin, end - begin, parts, elements);
    put_all(dx + begin, room.shared() + begin, end - begin, write);
  });
}

template WorkspaceSize<float> inner_product_backward_data_size(const FullyConnectedSizes&);
template WorkspaceSize<double> inner_product_backward_data_size(const FullyConnectedSizes&);
template void inner_product_backward_data(Cpu&, const FullyConnectedSizes&, const float*, const float*, const float*, float*, Write);
template void inner_product_backward_data(Cpu&, const FullyConnectedSizes&, const double*, const double*, const double*, double*, Write);

}  // namespace amnet
