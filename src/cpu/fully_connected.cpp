// The three passes are one product, of panel_product.h, with the factors in other places:
//
//   forward            y^T (O x N) = w (O x I) x^T (I x N)     the samples are the lanes: x is transposed, and y back
//   backward, data     dx  (N x I) = dy (N x O) w (O x I)
//   backward, weights  dw  (O x I) = dy^T (O x N) x (N x I)
//
// w is read where it lies, once for every 256 samples. What depends on the sizes alone, and so gives the same bits with any number of
// threads: the pieces of work, the terms that are summed in a row, and how sums are added up. A lane knows nothing of its neighbours, so a
// sample has the same outputs in every batch.
#include <amnet/kernels/fully_connected.h>

#include <cmath>

#include "lanes.h"
#include "panel_product.h"
#include "workspace.h"

namespace amnet {
namespace {

constexpr std::int64_t piece_outputs = 48;   // rows of w in a piece: whole register blocks on every machine
constexpr std::int64_t piece_columns = 512;  // columns of dx and dw in a piece
constexpr std::int64_t group_samples = 256;  // samples that the forward pass transposes at a time

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
        transpose<T>(here, end - begin, x.from_row(sample).from_column(begin), to);
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

/// sums (outputs x samples) = w x^T.
template <class T>
void multiply_samples(std::int64_t outputs, std::int64_t inputs, const T* w, const TransposedSamples<T>& x, Lines<T> sums) {
  for (std::int64_t input = 0; input < inputs; input += panel_depth) {
    const std::int64_t depth = std::min(panel_depth, inputs - input);
    const Write write = input == 0 ? Write::assign : Write::add;
    for (std::int64_t sample = 0; sample < x.columns(); sample += panel_columns<T>) {
      const Lines<const T> panel = x.at(sample, input);
      const auto multiply = panel.stride == lanes<T> ? multiply_panel<T, 1> : multiply_panel<T, 2>;
      multiply(outputs, depth, {w + input, inputs, 1}, panel, sums.from_column(sample), write);
    }
  }
}

/// y = x w^T + bias, or with unit rows where `norms` is defined.
template <class T>
void forward(Cpu& cpu, const Sizes& sizes, const T* x, const T* w, T epsilon, const T* bias, T* y, T* norms) {
  const std::int64_t samples = sizes.samples, inputs = sizes.inputs, outputs = sizes.outputs;
  const std::int64_t group = std::min(samples, group_samples);
  const Workspace<T> room(cpu, TransposedSamples<T>::elements(group, inputs), piece_outputs * rounded_up(group, lanes<T>));
  const std::int64_t pieces = pieces_of_size(outputs, piece_outputs);
  for (std::int64_t first = 0; first < samples; first += group) {
    const std::int64_t here = std::min(group, samples - first);
    const TransposedSamples<T> transposed(cpu, {x + first * inputs, inputs}, here, inputs, room.shared());
    parallel_for(cpu, pieces, [&](std::int64_t piece, int worker) {
      const std::int64_t begin = piece * piece_outputs, rows = std::min(piece_outputs, outputs - begin);
      const T* weights = w + begin * inputs;
      if (norms != nullptr) measure_rows<T>({weights, inputs}, rows, inputs, epsilon, norms + begin);
      const Lines<T> sums{room.local(worker), transposed.columns()};
      multiply_samples(rows, inputs, weights, transposed, sums);
      for (std::int64_t row = 0; row < rows; ++row) {
        const T scale = norms != nullptr ? 1 / norms[begin + row] : T{1};
        const T plus = bias != nullptr ? bias[begin + row] : T{0};
        T* sum = sums.from_row(row).at;
        for (std::int64_t i = 0; i < sums.stride; ++i) sum[i] = sum[i] * scale + plus;
      }
      transpose<T>(rows, here, {sums.at, sums.stride}, {y + first * outputs + begin, outputs});
    });
  }
}

/// into (samples x columns) (+)= dy w for `outputs` rows of w; scaled by 1 / norms where there are any.
/// `room` has samples * panel_depth + panel_tail_elements(samples).
template <class T>
void multiply_outputs(std::int64_t samples, std::int64_t columns, std::int64_t outputs, Lines<const T> dy, Lines<const T> w, const T* norms,
                      Lines<T> into, Write write, T* room) {
  for (std::int64_t output = 0; output < outputs; output += panel_depth) {
    const std::int64_t depth = std::min(panel_depth, outputs - output);
    for (std::int64_t n = 0; n < samples; ++n) {
      const T* from = dy.from_row(n).from_column(output).at;
      T* to = room + n * depth;
      if (norms == nullptr) {
        std::copy_n(from, depth, to);
      } else {
        for (std::int64_t k = 0; k < depth; ++k) to[k] = from[k] / norms[output + k];
      }
    }
    multiply_panels<T>(samples, columns, depth, {room, depth, 1}, w.from_row(output), into, output == 0 ? write : Write::add,
                       room + samples * panel_depth);
  }
}

/// dx (+)= dy w. Where w has few columns, the sum over its rows is cut into parts too, which are added up in a binary tree.
template <class T>
void backward_data(Cpu& cpu, const Sizes& sizes, const T* dy, const T* w, const T* norms, T* dx, Write write) {
  const std::int64_t samples = sizes.samples, inputs = sizes.inputs, outputs = sizes.outputs;
  const std::int64_t chunks = pieces_of_size(inputs, piece_columns);
  constexpr std::int64_t enough_pieces = 16, least_outputs = 512;
  const std::int64_t parts = std::clamp<std::int64_t>(outputs / least_outputs, 1, std::max<std::int64_t>(1, enough_pieces / chunks));
  const std::int64_t elements = samples * inputs;
  const Workspace<T> room(cpu, parts > 1 ? parts * elements : 0, samples * panel_depth + panel_tail_elements<T>(samples));
  parallel_for(cpu, chunks * parts, [&](std::int64_t piece, int worker) {
    const std::int64_t part = piece / chunks;
    const auto [begin, end] = piece_rows(inputs, chunks, piece % chunks);
    const auto [first, last] = piece_rows(outputs, parts, part);
    const Lines<T> into{(parts > 1 ? room.shared() + part * elements : dx) + begin, inputs};
    multiply_outputs<T>(samples, end - begin, last - first, {dy + first, outputs}, {w + first * inputs + begin, inputs},
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

/// into (outputs x columns) (+)= dy^T x. `room` has outputs * panel_depth + panel_tail_elements(outputs).
template <class T>
void multiply_transposed(std::int64_t outputs, std::int64_t columns, std::int64_t samples, Lines<const T> dy, Lines<const T> x,
                         Lines<T> into, Write write, T* room) {
  std::int64_t sample = 0;
  do {  // once for an empty batch too, whose gradient is zero
    const std::int64_t depth = std::min(panel_depth, samples - sample);
    for (std::int64_t n = 0; n < depth; ++n) std::copy_n(dy.from_row(sample + n).at, outputs, room + n * outputs);
    multiply_panels<T>(outputs, columns, depth, {room, 1, outputs}, x.from_row(sample), into, sample == 0 ? write : Write::add,
                       room + outputs * panel_depth);
    sample += depth;
  } while (sample < samples);
}

/// dw (+)= dy^T x.
template <class T>
void backward_weights(Cpu& cpu, const Sizes& sizes, const T* x, const T* dy, T* dw, Write write) {
  const std::int64_t samples = sizes.samples, inputs = sizes.inputs, outputs = sizes.outputs;
  const std::int64_t chunks = pieces_of_size(inputs, piece_columns);
  const Workspace<T> room(cpu, 0, piece_outputs * panel_depth + panel_tail_elements<T>(piece_outputs));
  parallel_for(cpu, chunks * pieces_of_size(outputs, piece_outputs), [&](std::int64_t piece, int worker) {
    const auto [begin, end] = piece_rows(inputs, chunks, piece % chunks);
    const std::int64_t output = piece / chunks * piece_outputs, rows = std::min(piece_outputs, outputs - output);
    multiply_transposed<T>(rows, end - begin, samples, {dy + output, outputs}, {x + begin, inputs}, {dw + output * inputs + begin, inputs},
                           write, room.local(worker));
  });
}

/// dw (+)= (du - u <u, du>) / norm for the unit rows u, du = dy^T x. A piece has whole rows, for the sake of <u, du>.
template <class T>
void cosine_weights(Cpu& cpu, const Sizes& sizes, const T* x, const T* dy, const T* w, const T* norms, T* dw, Write write) {
  const std::int64_t samples = sizes.samples, inputs = sizes.inputs, outputs = sizes.outputs;
  constexpr std::int64_t piece_elements = 65536;
  const std::int64_t piece_size = std::clamp<std::int64_t>(piece_elements / std::max<std::int64_t>(1, inputs), panel_rows, piece_outputs);
  const std::int64_t product_elements = piece_size * panel_depth + panel_tail_elements<T>(piece_size);
  const Workspace<T> room(cpu, 0, product_elements + piece_size * inputs);
  parallel_for(cpu, pieces_of_size(outputs, piece_size), [&](std::int64_t piece, int worker) {
    const std::int64_t output = piece * piece_size, rows = std::min(piece_size, outputs - output);
    const Lines<T> slopes{room.local(worker) + product_elements, inputs};
    multiply_transposed<T>(rows, inputs, samples, {dy + output, outputs}, {x, inputs}, slopes, Write::assign, room.local(worker));
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

}  // namespace amnet
