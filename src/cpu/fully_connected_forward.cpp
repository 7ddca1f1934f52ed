// Forward: w is shared out by rows, or where it has few of them by parts of the inputs. See
// fully_connected_passes.h.
#include <cmath>

#include "fully_connected_passes.h"
#include "lanes.h"
#include "transpose.h"

namespace amnet {
namespace {

constexpr std::int64_t group_samples = 256;  // samples that the forward pass transposes at a time

std::int64_t rounded_up(std::int64_t count, std::int64_t size) { return ceil_div(count, size) * size; }

/// norms[row] = sqrt(sum of squares + epsilon).
template <class T>
void measure_rows(Lines<const T> w, std::int64_t rows, std::int64_t inputs, T epsilon, T* norms) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const T* from = w.from_row(row).at;
    norms[row] = std::sqrt(lane_sum<T>(inputs, [from](std::int64_t i) { return from[i] * from[i]; }) + epsilon);
  }
}

/// x^T for up to group_samples samples: panels of two vectors of samples, the last of one where
/// that is enough. The rest is zeros.
template <class T>
class TransposedSamples {
 public:
  static std::int64_t elements(std::int64_t samples, std::int64_t inputs) { return rounded_up(samples, lanes<T>) * inputs; }

  TransposedSamples(const Cpu& cpu, Lines<const T> x, std::int64_t samples, std::int64_t inputs, T* room)
      : inputs_(inputs), columns_(rounded_up(samples, lanes<T>)), at_(room) {
    const std::int64_t pieces = ceil_div(inputs, panel_depth);
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

/// How the forward pass shares out w: into groups of rows, and where those are few into parts of
/// the inputs instead, whose x then stays in one second-level cache. A function of the sizes of w
/// alone.
struct ForwardPieces {
  std::int64_t group, groups, parts;

  explicit ForwardPieces(const FullyConnectedSizes& sizes) {
    constexpr std::int64_t enough = 16, largest_group = 8, part_inputs = 1024;
    const std::int64_t blocks = ceil_div(sizes.outputs, piece_outputs);
    parts = blocks >= 2 * enough ? 1 : std::clamp<std::int64_t>(sizes.inputs / part_inputs, 1, enough);
    const std::int64_t blocks_of_group =
        blocks >= 2 * enough ? std::min(blocks / (2 * enough), largest_group) : ceil_div(blocks, ceil_div(enough, parts));
    group = piece_outputs * blocks_of_group;
    groups = ceil_div(sizes.outputs, group);
  }
};

}  // namespace

template <class T>
WorkspaceSize<T> inner_product_forward_size(const FullyConnectedSizes& sizes) {
  const std::int64_t group = std::min(sizes.samples, group_samples), columns = rounded_up(group, lanes<T>);
  const std::int64_t parts = ForwardPieces(sizes).parts;
  return {TransposedSamples<T>::elements(group, sizes.inputs) + (parts > 1 ? parts * sizes.outputs * columns : 0), piece_outputs * columns};
}

template <class T>
void inner_product_forward(Cpu& cpu, const FullyConnectedSizes& sizes, const T* x, const T* w, T epsilon, const T* bias, T* y, T* norms) {
  const std::int64_t samples = sizes.samples, inputs = sizes.inputs, outputs = sizes.outputs;
  const std::int64_t most = std::min(samples, group_samples);
  const ForwardPieces pieces(sizes);
  const Workspace<T> room(cpu, inner_product_forward_size<T>(sizes));
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
    parallel_for(cpu, ceil_div(outputs, piece_outputs), [&](std::int64_t piece, int) {
      const std::int64_t begin = piece * piece_outputs, rows = std::min(piece_outputs, outputs - begin);
      add_parts(partials + begin * columns, rows * columns, pieces.parts, outputs * columns);
      finish(begin, rows, partials + begin * columns);
    });
  }
}

template WorkspaceSize<float> inner_product_forward_size(const FullyConnectedSizes&);
template WorkspaceSize<double> inner_product_forward_size(const FullyConnectedSizes&);
template void inner_product_forward(Cpu&, const FullyConnectedSizes&, const float*, const float*, float, const float*, float*, float*);
template void inner_product_forward(Cpu&, const FullyConnectedSizes&, const double*, const double*, double, const double*, double*,
                                    double*);

}  // namespace amnet
