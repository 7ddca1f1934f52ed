// The three passes are one product, of panel_product.h, with the factors in other places:
//
//   forward            y^T (O x N) = w (O x I) x^T (I x N)     the samples are the lanes: x is transposed, and y back
//   backward, data     dx  (N x I) = dy (N x O) w (O x I)
//   backward, weights  dw  (O x I) = dy^T (O x N) x (N x I)
//
// The small factor is packed or transposed once for all. w is read where it lies, so that no pass holds a copy of it, and dw is written
// from registers, past the caches where it is larger than they are; what is read next is fetched during a product. What depends on the
// sizes alone, and so gives the same bits with any number of threads: the pieces of work, the terms that are summed in a row, and how sums
// are added up. A lane knows nothing of its neighbours, so a sample has the same outputs in every batch.
#include <amnet/kernels/fully_connected.h>

#include <cmath>

#include "kernels/fully_connected_arguments.h"
#include "lanes.h"
#include "panel_product.h"
#include "transpose.h"
#include "workspace.h"

namespace amnet {
namespace {

constexpr std::int64_t piece_outputs = 48;   // rows of w in a piece: whole register blocks on every machine
constexpr std::int64_t piece_columns = 512;  // columns of dx and dw in a piece: whole panels on every machine
constexpr std::int64_t group_samples = 256;  // samples that the forward pass transposes at a time

std::int64_t pieces_of_size(std::int64_t count, std::int64_t size) { return (count + size - 1) / size; }
std::int64_t rounded_up(std::int64_t count, std::int64_t size) { return pieces_of_size(count, size) * size; }

template <class T>
T* data_or_null(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>().data() : nullptr;
}

/// parts[0] = the sum of the parts, in a binary tree; each has `count` elements and lies `stride` behind the one before.
template <class T>
void add_parts(T* parts, std::int64_t count, std::int64_t number, std::int64_t stride) {
  for (std::int64_t width = 1; width < number; width *= 2) {
    for (std::int64_t part = 0; part + width < number; part += 2 * width) {
      put_all(parts + part * stride, parts + (part + width) * stride, count, Write::add);
    }
  }
}

/// norms[row] = sqrt(sum of squares + epsilon).
template <class T>
void measure_rows(Lines<const T> w, std::int64_t rows, std::int64_t inputs, T epsilon, T* norms) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* from = w.from_row(row).at;
    norms[row] = std::sqrt(lane_sum<T>(inputs, [from](std::int64_t i) { return from[i] * from[i]; }) + epsilon);
  }
}

/// x^T for up to group_samples samples: panels of two vectors of samples, the last of one where that is enough. Zeros fill up.
template <class T>
class TransposedSamples {
 public:
  static std::int64_t elements(std::int64_t samples, std::int64_t inputs) { return rounded_up(samples, lanes<T>) * inputs; }

  TransposedSamples(const Cpu& cpu, Lines<const T> x, std::int64_t samples, std::int64_t inputs, T* room)
      : inputs_(inputs), columns_(rounded_up(samples, lanes<T>)), at_(room) {
    const std::int64_t pieces = pieces_of_size(inputs, panel_depth);
    parallel_for(cpu, pieces, [&](std::int64_t piece, int) {
      const auto [begin, end] = piece_rows(inputs, pieces, piece);
      for (std::int64_t sample = 0; sample < samples; sample += panel_columns<T>) {
        const std::int64_t here = std::min<std::int64_t>(panel_columns<T>, samples - sample);
        const Lines<const T> panel = at(sample, begin);
        const Lines<T> to{at_ + (panel.at - at_), panel.stride};
        if (here < panel.stride) std::fill_n(to.at, (end - begin) * to.stride, T{0});
        transpose(here, end - begin, x.from_row(sample).from_column(begin).at, x.stride, to.at, to.stride);
      }
    });
  }

  std::int64_t columns() const { return columns_; }
  /// The panel that begins at a sample, from an input on.
  Lines<const T> at(std::int64_t sample, std::int64_t input) const {
    const std::int64_t width = std::min<std::int64_t>(panel_columns<T>, columns_ - sample);
    return {at_ + sample * inputs_ + input * width, width};
  }

 private:
  std::int64_t inputs_, columns_;
  T* at_;
};

/// sums (outputs x samples) = w x^T over a range of inputs. `after`: where w is read next.
template <class T>
void multiply_samples(std::int64_t outputs, Rows inputs, Lines<const T> w, const TransposedSamples<T>& x, Lines<T> sums, const T* after) {
  for (std::int64_t input = inputs.begin; input < inputs.end; input += panel_depth) {
    const std::int64_t next = std::min(input + panel_depth, inputs.end);
    for (std::int64_t sample = 0; sample < x.columns(); sample += panel_columns<T>) {
      const Lines<const T> panel = x.at(sample, input);
      const auto multiply = panel.stride == lanes<T> ? multiply_panel<T, 1, Elements<T>> : multiply_panel<T, 2, Elements<T>>;
      const bool again = sample + panel.stride < x.columns();
      const T* const next_w = again ? w.from_column(input).at : next < inputs.end ? w.from_column(next).at : after;
      multiply(outputs, next - input, {w.from_column(input).at, w.stride, 1}, panel, sums.from_column(sample),
               input == inputs.begin ? Put::assign : Put::add, {.a = next_w});
    }
  }
}

/// How the forward pass shares out w: into groups of rows, and where those are few into parts of the inputs instead, whose x then stays in
/// one second-level cache. A function of the sizes of w alone.
struct ForwardPieces {
  std::int64_t group, groups, parts;

  explicit ForwardPieces(const FullyConnectedSizes& sizes) {
    constexpr std::int64_t enough = 16, largest_group = 8, part_inputs = 1024;
    const std::int64_t blocks = pieces_of_size(sizes.outputs, piece_outputs);
    parts = blocks >= 2 * enough ? 1 : std::clamp<std::int64_t>(sizes.inputs / part_inputs, 1, enough);
    const std::int64_t blocks_of_group =
        blocks >= 2 * enough ? std::min(blocks / (2 * enough), largest_group) : pieces_of_size(blocks, pieces_of_size(enough, parts));
    group = piece_outputs * blocks_of_group;
    groups = pieces_of_size(sizes.outputs, group);
  }
};

template <class T>
WorkspaceSize<T> forward_size(const FullyConnectedSizes& sizes) {
  const std::int64_t group = std::min(sizes.samples, group_samples), columns = rounded_up(group, lanes<T>);
  const std::int64_t parts = ForwardPieces(sizes).parts;
  return {TransposedSamples<T>::elements(group, sizes.inputs) + (parts > 1 ? parts * sizes.outputs * columns : 0), piece_outputs * columns};
}

/// y = x w^T + bias, or with unit rows where `norms` is defined.
template <class T>
void forward(Cpu& cpu, const FullyConnectedSizes& sizes, const T* x, const T* w, T epsilon, const T* bias, T* y, T* norms) {
  const std::int64_t samples = sizes.samples, inputs = sizes.inputs, outputs = sizes.outputs;
  const std::int64_t most = std::min(samples, group_samples);
  const ForwardPieces pieces(sizes);
  const Workspace<T> room(cpu, forward_size<T>(sizes));
  T* const partials = room.shared() + TransposedSamples<T>::elements(most, inputs);
  for (std::int64_t first = 0; first < samples; first += most) {
    const std::int64_t here = std::min(most, samples - first);
    const TransposedSamples<T> transposed(cpu, {x + first * inputs, inputs}, here, inputs, room.shared());
    const std::int64_t columns = transposed.columns();
    // From sums of `rows` outputs to y.
    const auto finish = [&](std::int64_t begin, std::int64_t rows, T* sums) {
      if (norms != nullptr) measure_rows<T>({w + begin * inputs, inputs}, rows, inputs, epsilon, norms + begin);
      for (std::int64_t row = 0; row < rows && (norms != nullptr || bias != nullptr); ++row) {
        const T scale = norms != nullptr ? 1 / norms[begin + row] : T{1};
        const T plus = bias != nullptr ? bias[begin + row] : T{0};
        T* sum = sums + row * columns;
        for (std::int64_t i = 0; i < here; ++i) sum[i] = sum[i] * scale + plus;
      }
      transpose(rows, here, sums, columns, y + first * outputs + begin, outputs);
    };
    parallel_for(cpu, pieces.groups * pieces.parts, [&](std::int64_t piece, int worker) {
      const std::int64_t part = piece / pieces.groups, begin = piece % pieces.groups * pieces.group;
      const std::int64_t end = std::min(outputs, begin + pieces.group);
      const Rows range = piece_rows(inputs, pieces.parts, part);
      for (std::int64_t output = begin; output < end; output += piece_outputs) {
        const std::int64_t rows = std::min(piece_outputs, end - output);
        T* const sums = pieces.parts > 1 ? partials + (part * outputs + output) * columns : room.local(worker);
        const T* const weights = w + output * inputs;
        const T* const after = output + rows < outputs ? weights + rows * inputs : weights;
        multiply_samples<T>(rows, range, {weights, inputs}, transposed, {sums, columns}, after + range.begin);
        if (pieces.parts == 1) finish(output, rows, sums);
      }
    });
    if (pieces.parts == 1) continue;
    parallel_for(cpu, pieces_of_size(outputs, piece_outputs), [&](std::int64_t piece, int) {
      const std::int64_t begin = piece * piece_outputs, rows = std::min(piece_outputs, outputs - begin);
      add_parts(partials + begin * columns, rows * columns, pieces.parts, outputs * columns);
      finish(begin, rows, partials + begin * columns);
    });
  }
}

/// into (samples x columns) (+)= dy w for `outputs` rows of w, which are read where they lie if they can be; scaled by 1 / norms where
/// there are any.
template <class T>
void multiply_outputs(std::int64_t samples, std::int64_t columns, std::int64_t outputs, Lines<const T> dy, Lines<const T> w, const T* norms,
                      Lines<T> into, Write write, T* room) {
  constexpr std::int64_t width = panel_columns<T>, lines_of_panel = width / line_elements<T>;
  T* const slopes = room;
  T* const panel_copy = slopes + samples * panel_depth;
  T* const tail = panel_copy + panel_depth * width;
  // Rows whole pages apart share a few sets of the first-level cache, so that a panel does not stay there unless it is copied.
  const bool same_sets = w.stride * static_cast<std::int64_t>(sizeof(T)) % 4096 == 0;
  for (std::int64_t output = 0; output < outputs; output += panel_depth) {
    const std::int64_t depth = std::min(panel_depth, outputs - output);
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
      if (w.stride == columns) {  // rows without a gap: memory likes them line by line, so the next rows are fetched meanwhile, in order
        next.b = {w.from_row(output + depth).at + column * lines_of_panel / width * depth * line_elements<T>, line_elements<T>};
        next.b_step = depth * line_elements<T>;
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
  return samples * (panel_depth + panel_columns<T>)+panel_depth * panel_columns<T>;
}

/// Parts of the sum over the rows of w: one, unless w has few columns.
inline std::int64_t parts_of(const FullyConnectedSizes& sizes) {
  constexpr std::int64_t enough_pieces = 16, least_outputs = 512;
  const std::int64_t chunks = pieces_of_size(sizes.inputs, piece_columns);
  return std::clamp<std::int64_t>(sizes.outputs / least_outputs, 1, std::max<std::int64_t>(1, enough_pieces / chunks));
}
template <class T>
WorkspaceSize<T> backward_data_size(const FullyConnectedSizes& sizes) {
  const std::int64_t parts = parts_of(sizes);
  return {parts > 1 ? parts * sizes.samples * sizes.inputs : 0, multiply_outputs_room<T>(sizes.samples)};
}

/// dx (+)= dy w.
template <class T>
void backward_data(Cpu& cpu, const FullyConnectedSizes& sizes, const T* dy, const T* w, const T* norms, T* dx, Write write) {
  const std::int64_t samples = sizes.samples, inputs = sizes.inputs, outputs = sizes.outputs;
  const std::int64_t chunks = pieces_of_size(inputs, piece_columns);
  const std::int64_t parts = parts_of(sizes), elements = samples * inputs;
  const Workspace<T> room(cpu, backward_data_size<T>(sizes));
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

/// x in panels, panel_depth samples at a time.
template <class T>
class PackedSamples {
 public:
  static std::int64_t elements(std::int64_t samples, std::int64_t inputs) { return rounded_up(inputs, panel_columns<T>) * samples; }

  PackedSamples(const Cpu& cpu, Lines<const T> x, std::int64_t samples, std::int64_t inputs, T* room)
      : samples_(samples), inputs_(inputs), at_(room) {
    parallel_for(cpu, pieces_of_size(inputs, piece_columns), [&](std::int64_t piece, int) {
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

/// into (outputs x up to a panel) (+)= dy^T x for a panel of x that begins at a column. `next`: the panel that is read next.
template <class T>
void multiply_transposed(std::int64_t outputs, std::int64_t depth, SideBySide<T> dy, Lines<const T> panel, std::int64_t columns,
                         Lines<T> into, Put put, T* tail, Lines<const T> next) {
  constexpr std::int64_t width = panel_columns<T>;
  if (columns >= width) {
    multiply_panel<T, 2>(outputs, depth, dy, panel, into, put, Next<T>{.b = next});
    return;
  }
  multiply_panel<T, 2>(outputs, depth, dy, panel, Lines<T>{tail, width}, Put::assign);
  for (std::int64_t row = 0; row < outputs; ++row) {
    put_all(into.from_row(row).at, tail + row * width, columns, put == Put::add ? Write::add : Write::assign);
  }
}

/// How a gradient is written: past the caches where it is larger than they are and made of whole lines.
template <class T>
Put put_of(Write write, const T* gradient, std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t large = std::int64_t{32} << 20;
  const bool lines = columns % line_elements<T> == 0 && reinterpret_cast<std::uintptr_t>(gradient) % 64 == 0;
  const bool streams = write == Write::assign && lines && rows * columns * static_cast<std::int64_t>(sizeof(T)) > large;
  return streams ? Put::stream : put_of(write);
}

template <class T>
WorkspaceSize<T> backward_weights_size(const FullyConnectedSizes& sizes) {
  return {PackedSamples<T>::elements(sizes.samples, sizes.inputs), piece_outputs * (sizes.samples + panel_columns<T>)};
}

/// dw (+)= dy^T x.
template <class T>
void backward_weights(Cpu& cpu, const FullyConnectedSizes& sizes, const T* x, const T* dy, T* dw, Write write) {
  constexpr std::int64_t width = panel_columns<T>;
  const std::int64_t samples = sizes.samples, inputs = sizes.inputs, outputs = sizes.outputs;
  const std::int64_t chunks = pieces_of_size(inputs, piece_columns), groups = pieces_of_size(outputs, piece_outputs);
  const bool streams = width % line_elements<T> == 0 && samples <= panel_depth;  // whole lines, and all of their sums, at once
  const Put first_put = streams ? put_of(write, dw, outputs, inputs) : put_of(write);
  const Workspace<T> room(cpu, backward_weights_size<T>(sizes));
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

template <class T>
WorkspaceSize<T> cosine_weights_size(const FullyConnectedSizes& sizes) {
  WorkspaceSize<T> size = backward_weights_size<T>(sizes);
  size.local += piece_outputs * sizes.inputs;
  return size;
}

/// dw (+)= (du - u <u, du>) / norm for the unit rows u, du = dy^T x. A piece has whole rows, for the sake of <u, du>.
template <class T>
void cosine_weights(Cpu& cpu, const FullyConnectedSizes& sizes, const T* x, const T* dy, const T* w, const T* norms, T* dw, Write write) {
  constexpr std::int64_t width = panel_columns<T>;
  const std::int64_t samples = sizes.samples, inputs = sizes.inputs, outputs = sizes.outputs;
  const Put put = put_of(write, dw, outputs, inputs);
  const Workspace<T> room(cpu, cosine_weights_size<T>(sizes));
  const PackedSamples<T> packed(cpu, {x, inputs}, samples, inputs, room.shared());
  parallel_for(cpu, pieces_of_size(outputs, piece_outputs), [&](std::int64_t piece, int worker) {
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

void forward(Cpu& cpu, const Tensor& x, const Tensor& w, double epsilon, const Tensor& bias, const Tensor& y, const Tensor& norms) {
  const FullyConnectedSizes sizes = fully_connected_sizes(x, w, y);
  check_output_values(bias, "bias", sizes);
  check_output_values(norms, "norm", sizes);
  with_float(x.dtype(), "fully_connected", [&]<class T>() {
    forward<T>(cpu, sizes, x.data<T>().data(), w.data<T>().data(), static_cast<T>(epsilon), data_or_null<T>(bias), y.data<T>().data(),
               data_or_null<T>(norms));
  });
}

void backward_data(Cpu& cpu, const Tensor& dy, const Tensor& w, const Tensor& norms, const Gradient& dx) {
  if (!dx) return;
  const FullyConnectedSizes sizes = fully_connected_sizes(dx.tensor, w, dy);
  check_output_values(norms, "norm", sizes);
  with_float(dy.dtype(), "fully_connected", [&]<class T>() {
    backward_data<T>(cpu, sizes, dy.data<T>().data(), w.data<T>().data(), data_or_null<T>(norms), dx.tensor.data<T>().data(), dx.write);
  });
}

}  // namespace

void fully_connected_forward(Cpu& cpu, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) {
  forward(cpu, x, w, 0, bias, y, {});
}

void fully_connected_backward_data(Cpu& cpu, const Tensor& dy, const Tensor& w, const Gradient& dx) { backward_data(cpu, dy, w, {}, dx); }

void fully_connected_backward_weights(Cpu& cpu, const Tensor& x, const Tensor& dy, const Gradient& dw) {
  if (!dw) return;
  const FullyConnectedSizes sizes = fully_connected_sizes(x, dw.tensor, dy);
  with_float(x.dtype(), "fully_connected", [&]<class T>() {
    backward_weights<T>(cpu, sizes, x.data<T>().data(), dy.data<T>().data(), dw.tensor.data<T>().data(), dw.write);
  });
}

void cosine_forward(Cpu& cpu, const Tensor& x, const Tensor& w, double epsilon, const Tensor& bias, const Tensor& y, const Tensor& norms) {
  forward(cpu, x, w, epsilon, bias, y, norms);
}

void cosine_backward_data(Cpu& cpu, const Tensor& dy, const Tensor& w, const Tensor& norms, const Gradient& dx) {
  backward_data(cpu, dy, w, norms, dx);
}

void cosine_backward_weights(Cpu& cpu, const Tensor& x, const Tensor& dy, const Tensor& w, const Tensor& norms, const Gradient& dw) {
  if (!dw) return;
  const FullyConnectedSizes sizes = fully_connected_sizes(x, w, dy);
  check_output_values(norms, "norm", sizes);
  with_float(x.dtype(), "fully_connected", [&]<class T>() {
    cosine_weights<T>(cpu, sizes, x.data<T>().data(), dy.data<T>().data(), w.data<T>().data(), norms.data<T>().data(),
                      dw.tensor.data<T>().data(), dw.write);
  });
}

ScratchBytes fully_connected_scratch(const Cpu&, std::int64_t samples, std::int64_t inputs, std::int64_t outputs, DType dtype,
                                     bool unit_rows) {
  const FullyConnectedSizes sizes{samples, inputs, outputs};
  ScratchBytes bytes;
  with_float(dtype, "fully_connected", [&]<class T>() {
    const WorkspaceSize<T> weights = unit_rows ? cosine_weights_size<T>(sizes) : backward_weights_size<T>(sizes);
    bytes = forward_size<T>(sizes).bytes().covering(backward_data_size<T>(sizes).bytes()).covering(weights.bytes());
  });
  return bytes;
}

}  // namespace amnet
