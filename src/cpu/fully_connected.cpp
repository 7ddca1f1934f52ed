// The three passes are one product, of panel_product.h, with the factors in other places:
//
//   forward            y^T (O x N) = w (O x I) x^T (I x N)     the samples are the lanes: x is transposed, and y back
//   backward, data     dx  (N x I) = dy (N x O) w (O x I)
//   backward, weights  dw  (O x I) = dy^T (O x N) x (N x I)
//
// The small factor is packed or transposed once for all; w is read where it lies by the forward pass, and by the backward pass block by
// block through the second-level cache, so that none of them holds a copy of it. What depends on the sizes alone, and so gives the same
// bits with any number of threads: the pieces of work, the terms that are summed in a row, and how sums are added up. A lane knows nothing
// of its neighbours, so a sample has the same outputs in every batch.
#include <amnet/kernels/fully_connected.h>

#include <cmath>

#include "lanes.h"
#include "panel_product.h"
#include "transpose.h"
#include "workspace.h"

namespace amnet {
namespace {

constexpr std::int64_t piece_outputs = 48;              // rows of w in a piece: whole register blocks on every machine
constexpr std::int64_t piece_columns = 256;             // columns of dx and dw in a piece: whole panels on every machine
constexpr std::int64_t piece_inputs = 5 * panel_depth;  // of w in a piece of the forward pass: they stay in the second-level cache
constexpr std::int64_t group_samples = 256;             // samples that the forward pass transposes at a time

struct Sizes {
  std::int64_t samples, inputs, outputs;
};

Sizes sizes_of(const Tensor& x, const Tensor& w, const Tensor& y) {
  require(x.rank() == 2 && w.rank() == 2 && w.extent(1) == x.extent(1),
          "[fully_connected] expected x (N,I) and weights (O,I) with one I but got {} and {}.", x.shape(), w.shape());
  require(y.shape() == Shape{x.extent(0), w.extent(0)}, "[fully_connected] expected outputs {} but got {}.",
          Shape{x.extent(0), w.extent(0)}, y.shape());
  return {x.extent(0), x.extent(1), w.extent(0)};
}

void check_rows(const Tensor& values, std::string_view name, const Sizes& sizes) {
  require(!values.defined() || values.count() == sizes.outputs, "[fully_connected] expected one {} for each of {} outputs but got {}.",
          name, sizes.outputs, values.shape());
}

std::int64_t pieces_of_size(std::int64_t count, std::int64_t size) { return (count + size - 1) / size; }
std::int64_t rounded_up(std::int64_t count, std::int64_t size) { return pieces_of_size(count, size) * size; }

template <class T>
T* data_or_null(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>().data() : nullptr;
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

/// Calls finish(sample) for every panel as soon as sums (outputs x samples) = w x^T has it: results then leave for memory while the next
/// panel is multiplied.
template <class T, class Finish>
void multiply_samples(std::int64_t outputs, std::int64_t inputs, const T* w, const TransposedSamples<T>& x, Lines<T> sums,
                      Finish&& finish) {
  for (std::int64_t begin = 0; begin < inputs; begin += piece_inputs) {
    const std::int64_t end = std::min(inputs, begin + piece_inputs);
    for (std::int64_t sample = 0; sample < x.columns(); sample += panel_columns<T>) {
      for (std::int64_t input = begin; input < end; input += panel_depth) {
        const Lines<const T> panel = x.at(sample, input);
        const auto multiply = panel.stride == lanes<T> ? multiply_panel<T, 1> : multiply_panel<T, 2>;
        multiply(outputs, std::min(panel_depth, end - input), {w + input, inputs, 1}, panel, sums.from_column(sample),
                 input == 0 ? Write::assign : Write::add);
      }
      if (end == inputs) finish(sample);
    }
  }
}

template <class T>
WorkspaceSize<T> forward_size(const Sizes& sizes) {
  const std::int64_t group = std::min(sizes.samples, group_samples);
  return {TransposedSamples<T>::elements(group, sizes.inputs), piece_outputs * rounded_up(group, lanes<T>)};
}

/// y = x w^T + bias, or with unit rows where `norms` is defined.
template <class T>
void forward(Cpu& cpu, const Sizes& sizes, const T* x, const T* w, T epsilon, const T* bias, T* y, T* norms) {
  const std::int64_t samples = sizes.samples, inputs = sizes.inputs, outputs = sizes.outputs;
  const std::int64_t group = std::min(samples, group_samples);
  const Workspace<T> room(cpu, forward_size<T>(sizes));
  const std::int64_t pieces = pieces_of_size(outputs, piece_outputs);
  for (std::int64_t first = 0; first < samples; first += group) {
    const std::int64_t here = std::min(group, samples - first);
    const TransposedSamples<T> transposed(cpu, {x + first * inputs, inputs}, here, inputs, room.shared());
    parallel_for(cpu, pieces, [&](std::int64_t piece, int worker) {
      const std::int64_t begin = piece * piece_outputs, rows = std::min(piece_outputs, outputs - begin);
      const T* weights = w + begin * inputs;
      const Lines<T> sums{room.local(worker), transposed.columns()};
      multiply_samples(rows, inputs, weights, transposed, sums, [&](std::int64_t sample) {
        // Not before the product, which has brought the rows into the cache.
        if (norms != nullptr && sample == 0) measure_rows<T>({weights, inputs}, rows, inputs, epsilon, norms + begin);
        const std::int64_t panel = std::min<std::int64_t>(panel_columns<T>, here - sample);
        for (std::int64_t row = 0; row < rows && (norms != nullptr || bias != nullptr); ++row) {
          const T scale = norms != nullptr ? 1 / norms[begin + row] : T{1};
          const T plus = bias != nullptr ? bias[begin + row] : T{0};
          T* sum = sums.from_row(row).from_column(sample).at;
          for (std::int64_t i = 0; i < panel; ++i) sum[i] = sum[i] * scale + plus;
        }
        transpose(rows, panel, sums.at + sample, sums.stride, y + (first + sample) * outputs + begin, outputs);
      });
    });
  }
}

/// into (samples x columns) (+)= dy w for `outputs` rows of w; scaled by 1 / norms where there are any.
template <class T>
void multiply_outputs(std::int64_t samples, std::int64_t columns, std::int64_t outputs, Lines<const T> dy, Lines<const T> w, const T* norms,
                      Lines<T> into, Write write, T* room) {
  T* const slopes = room;
  T* const panels = slopes + samples * panel_depth;
  T* const tail = panels + panel_elements<T>(columns, panel_depth);
  for (std::int64_t output = 0; output < outputs; output += panel_depth) {
    const std::int64_t depth = std::min(panel_depth, outputs - output);
    pack_panels<T>(depth, columns, w.from_row(output), panels);
    for (std::int64_t n = 0; n < samples; ++n) {
      const T* from = dy.from_row(n).from_column(output).at;
      T* to = slopes + n * depth;
      if (norms == nullptr) {
        std::copy_n(from, depth, to);
      } else {
        for (std::int64_t k = 0; k < depth; ++k) to[k] = from[k] / norms[output + k];
      }
    }
    multiply_panels<T>(samples, columns, depth, {slopes, depth, 1}, panels, into, output == 0 ? write : Write::add, tail);
  }
}
template <class T>
std::int64_t multiply_outputs_room(std::int64_t samples) {
  return (samples + piece_columns) * panel_depth + samples * panel_columns<T>;
}

/// Parts of the sum over the rows of w: one, unless w has few columns.
inline std::int64_t parts_of(const Sizes& sizes) {
  constexpr std::int64_t enough_pieces = 16, least_outputs = 512;
  const std::int64_t chunks = pieces_of_size(sizes.inputs, piece_columns);
  return std::clamp<std::int64_t>(sizes.outputs / least_outputs, 1, std::max<std::int64_t>(1, enough_pieces / chunks));
}
template <class T>
WorkspaceSize<T> backward_data_size(const Sizes& sizes) {
  const std::int64_t parts = parts_of(sizes);
  return {parts > 1 ? parts * sizes.samples * sizes.inputs : 0, multiply_outputs_room<T>(sizes.samples)};
}

/// dx (+)= dy w; parts are added up in a binary tree.
template <class T>
void backward_data(Cpu& cpu, const Sizes& sizes, const T* dy, const T* w, const T* norms, T* dx, Write write) {
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
    for (std::int64_t width = 1; width < parts; width *= 2) {
      for (std::int64_t part = 0; part + width < parts; part += 2 * width) {
        T* left = room.shared() + part * elements + begin;
        put_all(left, left + width * elements, end - begin, Write::add);
      }
    }
    put_all(dx + begin, room.shared() + begin, end - begin, write);
  });
}

/// x in panels, panel_depth samples at a time.
template <class T>
class PackedSamples {
 public:
  static std::int64_t elements(std::int64_t samples, std::int64_t inputs) { return panel_elements<T>(inputs, samples); }

  PackedSamples(const Cpu& cpu, Lines<const T> x, std::int64_t samples, std::int64_t inputs, T* room)
      : samples_(samples), inputs_(inputs), at_(room) {
    parallel_for(cpu, pieces_of_size(inputs, piece_columns), [&](std::int64_t piece, int) {
      const std::int64_t begin = piece * piece_columns;
      for (std::int64_t sample = 0; sample < samples; sample += panel_depth) {
        pack_panels<T>(depth(sample), std::min(piece_columns, inputs - begin), x.from_row(sample).from_column(begin),
                       room + panel_elements<T>(inputs, sample) + begin * depth(sample));
      }
    });
  }

  std::int64_t samples() const { return samples_; }
  std::int64_t depth(std::int64_t sample) const { return std::min(panel_depth, samples_ - sample); }
  /// The panels of depth(sample) samples from a column on.
  const T* at(std::int64_t sample, std::int64_t column) const { return at_ + panel_elements<T>(inputs_, sample) + column * depth(sample); }

 private:
  std::int64_t samples_, inputs_;
  T* at_;
};

/// into (outputs x columns) = dy^T x from a column of x on.
template <class T>
void multiply_transposed(std::int64_t outputs, std::int64_t column, std::int64_t columns, Lines<const T> dy, const PackedSamples<T>& x,
                         Lines<T> into, T* room) {
  T* const tail = room + outputs * panel_depth;
  std::int64_t sample = 0;
  do {  // once for an empty batch too, whose gradient is zero
    const std::int64_t depth = x.depth(sample);
    for (std::int64_t n = 0; n < depth; ++n) std::copy_n(dy.from_row(sample + n).at, outputs, room + n * outputs);
    multiply_panels<T>(outputs, columns, depth, {room, 1, outputs}, x.at(sample, column), into, sample == 0 ? Write::assign : Write::add,
                       tail);
    sample += depth;
  } while (sample < x.samples());
}
template <class T>
std::int64_t multiply_transposed_room(std::int64_t outputs) {
  return outputs * (panel_depth + panel_columns<T>);
}

template <class T>
WorkspaceSize<T> backward_weights_size(const Sizes& sizes) {
  return {PackedSamples<T>::elements(sizes.samples, sizes.inputs),
          multiply_transposed_room<T>(piece_outputs) + piece_outputs * piece_columns};
}

/// dw (+)= dy^T x.
template <class T>
void backward_weights(Cpu& cpu, const Sizes& sizes, const T* x, const T* dy, T* dw, Write write) {
  const std::int64_t samples = sizes.samples, inputs = sizes.inputs, outputs = sizes.outputs;
  const std::int64_t chunks = pieces_of_size(inputs, piece_columns);
  const std::int64_t product_room = multiply_transposed_room<T>(piece_outputs);
  const Workspace<T> room(cpu, backward_weights_size<T>(sizes));
  const PackedSamples<T> packed(cpu, {x, inputs}, samples, inputs, room.shared());
  parallel_for(cpu, chunks * pieces_of_size(outputs, piece_outputs), [&](std::int64_t piece, int worker) {
    const std::int64_t begin = piece % chunks * piece_columns, columns = std::min(piece_columns, inputs - begin);
    const std::int64_t output = piece / chunks * piece_outputs, rows = std::min(piece_outputs, outputs - output);
    // By way of the second-level cache: memory likes whole runs of a row better than the register blocks' pieces of twelve rows.
    const Lines<T> block{room.local(worker) + product_room, piece_columns};
    multiply_transposed<T>(rows, begin, columns, {dy + output, outputs}, packed, block, room.local(worker));
    for (std::int64_t row = 0; row < rows; ++row) put_all(dw + (output + row) * inputs + begin, block.from_row(row).at, columns, write);
  });
}

/// dw (+)= (du - u <u, du>) / norm for the unit rows u, du = dy^T x. A piece has whole rows, for the sake of <u, du>.
template <class T>
void cosine_weights(Cpu& cpu, const Sizes& sizes, const T* x, const T* dy, const T* w, const T* norms, T* dw, Write write) {
  const std::int64_t samples = sizes.samples, inputs = sizes.inputs, outputs = sizes.outputs;
  constexpr std::int64_t piece_elements = 65536;
  const std::int64_t piece_size = std::clamp<std::int64_t>(piece_elements / std::max<std::int64_t>(1, inputs), panel_rows, piece_outputs);
  const std::int64_t product_room = multiply_transposed_room<T>(piece_size);
  const Workspace<T> room(cpu, PackedSamples<T>::elements(samples, inputs), product_room + piece_size * inputs);
  const PackedSamples<T> packed(cpu, {x, inputs}, samples, inputs, room.shared());
  parallel_for(cpu, pieces_of_size(outputs, piece_size), [&](std::int64_t piece, int worker) {
    const std::int64_t output = piece * piece_size, rows = std::min(piece_size, outputs - output);
    const Lines<T> slopes{room.local(worker) + product_room, inputs};
    multiply_transposed<T>(rows, 0, inputs, {dy + output, outputs}, packed, slopes, room.local(worker));
    for (std::int64_t row = 0; row < rows; ++row) {
      const T* slope = slopes.from_row(row).at;
      const T* weights = w + (output + row) * inputs;
      T* to = dw + (output + row) * inputs;
      const T inverse = 1 / norms[output + row];
      const T along = lane_sum<T>(inputs, [=](std::int64_t i) { return weights[i] * slope[i]; }) * inverse * inverse;
      for (std::int64_t i = 0; i < inputs; ++i) put(to[i], inverse * (slope[i] - along * weights[i]), write);
    }
  });
}

void forward(Cpu& cpu, const Tensor& x, const Tensor& w, double epsilon, const Tensor& bias, const Tensor& y, const Tensor& norms) {
  const Sizes sizes = sizes_of(x, w, y);
  check_rows(bias, "bias", sizes);
  check_rows(norms, "norm", sizes);
  with_float(x.dtype(), "fully_connected", [&]<class T>() {
    forward<T>(cpu, sizes, x.data<T>().data(), w.data<T>().data(), static_cast<T>(epsilon), data_or_null<T>(bias), y.data<T>().data(),
               data_or_null<T>(norms));
  });
}

void backward_data(Cpu& cpu, const Tensor& dy, const Tensor& w, const Tensor& norms, const Gradient& dx) {
  if (!dx) return;
  const Sizes sizes = sizes_of(dx.tensor, w, dy);
  check_rows(norms, "norm", sizes);
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
  const Sizes sizes = sizes_of(x, dw.tensor, dy);
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
  const Sizes sizes = sizes_of(x, w, dy);
  check_rows(norms, "norm", sizes);
  with_float(x.dtype(), "fully_connected", [&]<class T>() {
    cosine_weights<T>(cpu, sizes, x.data<T>().data(), dy.data<T>().data(), w.data<T>().data(), norms.data<T>().data(),
                      dw.tensor.data<T>().data(), dw.write);
  });
}

ScratchBytes fully_connected_scratch(std::int64_t samples, std::int64_t inputs, std::int64_t outputs, DType dtype) {
  const Sizes sizes{samples, inputs, outputs};
  ScratchBytes bytes;
  with_float(dtype, "fully_connected", [&]<class T>() {
    bytes = forward_size<T>(sizes).bytes().covering(backward_data_size<T>(sizes).bytes()).covering(backward_weights_size<T>(sizes).bytes());
  });
  return bytes;
}

}  // namespace amnet
