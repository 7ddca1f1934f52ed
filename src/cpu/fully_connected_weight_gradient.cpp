// The gradient of the weights, plain and of unit rows. See fully_connected_passes.h.
#include "fully_connected_passes.h"
#include "lanes.h"

namespace amnet {
namespace {

/// x in panels, panel_depth samples at a time.
template <class T>
class PackedSamples {
 public:
  static std::int64_t elements(std::int64_t samples, std::int64_t inputs) {
    return ceil_div(inputs, panel_columns<T>) * panel_columns<T> * samples;
  }

  PackedSamples(const Cpu& cpu, Lines<const T> x, std::int64_t samples, std::int64_t inputs, T* room)
      : samples_(samples), inputs_(inputs), at_(room) {
    parallel_for(cpu, ceil_div(inputs, piece_columns), [&](std::int64_t piece, int) {
      const std::int64_t begin = piece * piece_columns, end = std::min(inputs, begin + piece_columns);
      for (std::int64_t sample = 0; sample < samples; sample += panel_depth) {
        for (std::int64_t column = begin; column < end; column += panel_columns<T>) {
          pack_panel<T>(depth(sample), end - column, x.from_row(sample).from_column(column),
                        room + elements(sample, inputs) + column * depth(sample));
        }
      }
    });
  }

  std::int64_t samples() const { return samples_; }
  std::int64_t depth(std::int64_t sample) const { return std::min(panel_depth, samples_ - sample); }
  /// The panel of depth(sample) samples that begins at a column.
  Lines<const T> at(std::int64_t sample, std::int64_t column) const {
    return {at_ + elements(sample, inputs_) + column * depth(sample), panel_columns<T>};
  }

 private:
  std::int64_t samples_, inputs_;
  T* at_;
};

/// dy^T for a piece of outputs: one row of elements for each sample.
template <class T>
SideBySide<T> copy_slopes(std::int64_t outputs, std::int64_t samples, Lines<const T> dy, T* to) {
  for (std::int64_t n = 0; n < samples; ++n) std::copy_n(dy.from_row(n).at, outputs, to + n * outputs);
  return {to, outputs};
}

/// into (outputs x up to a panel) (+)= dy^T x for a panel of x that begins at a column. `next`: the
/// panel that is read next.
template <class T>
void multiply_transposed(std::int64_t outputs, std::int64_t depth, SideBySide<T> dy, Lines<const T> panel, std::int64_t columns,
                         Lines<T> into, Put put, T* tail, Lines<const T> next) {
  constexpr std::int64_t width = panel_columns<T>;
  if (columns >= width) {
    multiply_panel<T, 2>(outputs, depth, dy, panel, into, put, Next<T>{.b = next, .b_rows = depth});
    return;
  }
  multiply_panel<T, 2>(outputs, depth, dy, panel, Lines<T>{tail, width}, Put::assign);
  for (std::int64_t row = 0; row < outputs; ++row) {
    put_all(into.from_row(row).at, tail + row * width, columns, put == Put::add ? Write::add : Write::assign);
  }
}

/// How a gradient is written: past the caches where it is larger than they are and made of whole
/// lines.
template <class T>
Put put_of_weights(Write write, const T* gradient, std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t large = std::int64_t{32} << 20;
  const bool lines = columns % line_elements<T> == 0 && reinterpret_cast<std::uintptr_t>(gradient) % 64 == 0;
  const bool streams = write == Write::assign && lines && rows * columns * static_cast<std::int64_t>(sizeof(T)) > large;
  return streams ? Put::stream : put_of(write);
}

/// to (+)= (du - u <u, du>) / norm for one row u = w / norm.
template <class T>
void project_row(std::int64_t inputs, const T* du, const T* w, T norm, T* to, Put put) {
  const T inverse = 1 / norm;
  const T along = inverse * inverse * inverse * lane_sum<T>(inputs, [=](std::int64_t i) { return w[i] * du[i]; });
  std::int64_t i = 0;
  with_put<T>(put, [&](auto&& put_one) {
    for (; i + lanes<T> <= inputs; i += lanes<T>) put_one(to + i, inverse * load(du + i) - along * load(w + i));
  });
  for (; i < inputs; ++i) to[i] = (put == Put::add ? to[i] : T{0}) + inverse * du[i] - along * w[i];
}

}  // namespace

template <class T>
WorkspaceSize<T> inner_product_backward_weights_size(const FullyConnectedSizes& sizes) {
  return {PackedSamples<T>::elements(sizes.samples, sizes.inputs), piece_outputs * (sizes.samples + panel_columns<T>)};
}

template <class T>
void inner_product_backward_weights(Cpu& cpu, const FullyConnectedSizes& sizes, const T* x, const T* dy, T* dw, Write write) {
  constexpr std::int64_t width = panel_columns<T>;
  const std::int64_t samples = sizes.samples, inputs = sizes.inputs, outputs = sizes.outputs;
  const std::int64_t chunks = ceil_div(inputs, piece_columns), groups = ceil_div(outputs, piece_outputs);
  // whole lines, and all of their sums, at once
  const bool streams = width % line_elements<T> == 0 && samples <= panel_depth;
  const Put first_put = streams ? put_of_weights(write, dw, outputs, inputs) : put_of(write);
  const Workspace<T> room(cpu, inner_product_backward_weights_size<T>(sizes));
  const PackedSamples<T> packed(cpu, {x, inputs}, samples, inputs, room.shared());
  parallel_for(cpu, chunks * groups, [&](std::int64_t piece, int worker) {
    const std::int64_t begin = piece / groups * piece_columns, end = std::min(inputs, begin + piece_columns);
    const std::int64_t output = piece % groups * piece_outputs, rows = std::min(piece_outputs, outputs - output);
    T* const tail = room.local(worker) + piece_outputs * samples;
    const SideBySide<T> slopes = copy_slopes<T>(rows, samples, {dy + output, outputs}, room.local(worker));
    const Lines<T> into{dw + output * inputs, inputs};
    if (first_put != Put::stream) fetch_block<T, true>(rows, width, into.from_column(begin));
    for (std::int64_t column = begin; column < end; column += width) {
      Put put = first_put;
      std::int64_t sample = 0;
      if (put != Put::stream && column + width < end) fetch_block<T, true>(rows, width, into.from_column(column + width));
      do {  // once for an empty batch too, whose gradient is zero
        const std::int64_t depth = packed.depth(sample);
        multiply_transposed(rows, depth, SideBySide<T>{slopes.at + sample * rows, rows}, packed.at(sample, column), end - column,
                            into.from_column(column), put, tail, packed.at(sample, column + width < end ? column + width : begin));
        put = Put::add;
        sample += depth;
      } while (sample < samples);
    }
    if (first_put == Put::stream) stream_fence();
  });
}

template <class T>
WorkspaceSize<T> unit_rows_backward_weights_size(const FullyConnectedSizes& sizes) {
  WorkspaceSize<T> size = inner_product_backward_weights_size<T>(sizes);
  size.local += piece_outputs * sizes.inputs;
  return size;
}

/// A piece has whole rows, because <u, du> needs them.
template <class T>
void unit_rows_backward_weights(Cpu& cpu, const FullyConnectedSizes& sizes, const T* x, const T* dy, const T* w, const T* norms, T* dw,
                                Write write) {
  constexpr std::int64_t width = panel_columns<T>;
  const std::int64_t samples = sizes.samples, inputs = sizes.inputs, outputs = sizes.outputs;
  const Put put = put_of_weights(write, dw, outputs, inputs);
  const Workspace<T> room(cpu, unit_rows_backward_weights_size<T>(sizes));
  const PackedSamples<T> packed(cpu, {x, inputs}, samples, inputs, room.shared());
  parallel_for(cpu, ceil_div(outputs, piece_outputs), [&](std::int64_t piece, int worker) {
    const std::int64_t first = piece * piece_outputs, last = std::min(outputs, first + piece_outputs);
    T* const tail = room.local(worker) + piece_outputs * samples;
    const std::int64_t rows = last - first;
    const Lines<T> gradients{tail + piece_outputs * width, inputs};
    const Lines<const T> weights{w + first * inputs, inputs};
    const Lines<T> into{dw + first * inputs, inputs};
    const SideBySide<T> slopes = copy_slopes<T>(rows, samples, {dy + first, outputs}, room.local(worker));
    for (std::int64_t column = 0; column < inputs; column += width) {
      fetch_block<const T, false>(rows, width, weights.from_column(column));
      std::int64_t sample = 0;
      do {  // once for an empty batch too, whose gradient is zero
        const std::int64_t depth = packed.depth(sample);
        multiply_transposed(rows, depth, SideBySide<T>{slopes.at + sample * rows, rows}, packed.at(sample, column), inputs - column,
                            gradients.from_column(column), sample == 0 ? Put::assign : Put::add, tail,
                            packed.at(sample, column + width < inputs ? column + width : 0));
        sample += depth;
      } while (sample < samples);
    }
    for (std::int64_t row = 0; row < rows; ++row) {
      project_row(inputs, gradients.from_row(row).at, weights.from_row(row).at, norms[first + row], into.from_row(row).at, put);
    }
    if (put == Put::stream) stream_fence();
  });
}

template WorkspaceSize<float> inner_product_backward_weights_size(const FullyConnectedSizes&);
template WorkspaceSize<double> inner_product_backward_weights_size(const FullyConnectedSizes&);
template void inner_product_backward_weights(Cpu&, const FullyConnectedSizes&, const float*, const float*, float*, Write);
template void inner_product_backward_weights(Cpu&, const FullyConnectedSizes&, const double*, const double*, double*, Write);
template WorkspaceSize<float> unit_rows_backward_weights_size(const FullyConnectedSizes&);
template WorkspaceSize<double> unit_rows_backward_weights_size(const FullyConnectedSizes&);
template void unit_rows_backward_weights(Cpu&, const FullyConnectedSizes&, const float*, const float*, const float*, const float*, float*,
                                         Write);
template void unit_rows_backward_weights(Cpu&, const FullyConnectedSizes&, const double*, const double*, const double*, const double*,
                                         double*, Write);

}  // namespace amnet
