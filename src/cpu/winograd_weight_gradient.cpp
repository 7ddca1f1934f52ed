// The weight gradient: V is the transformed x, D the transformed dz, M the sums of d * v over all
// tiles, transformed at the end. Where M is small, the tiles are divided into a few parts, and each
// part is summed separately by one thread with everything in its cache (stage 1: 7.3 ms instead of
// 14.7 on two AVX-512 cores). Where it is not, all threads transform a chunk of tiles and then
// divide its products. Both the choice and the number of parts depend on the shape alone.
//
//   V  [product][channel / L][tile][L]     D  [product][output / G][tile][G], G = gradient_group
//   M  [product][panel of 2 L channels][output][2 L]
#include "parallel.h"
#include "winograd_product.h"
#include "winograd_tiles.h"
#include "workspace.h"

namespace amnet {
namespace {

/// Tiles that one worker transforms at a time; partial sums of slopes and biases are of as many
/// tiles.
constexpr std::int64_t piece_tiles = 16;

template <class T>
void transform_x(const WinogradWeightGradient<T>& task, std::int64_t first_tile, std::int64_t begin, std::int64_t end, std::int64_t chunk,
                 const T* zeros, T* v, std::int64_t v_stride) {
  const TileGrid<T>& grid = task.grid;
  const auto& h = *grid.h.passes;
  const auto& w = *grid.w.passes;
  const std::int64_t channels = task.channels, row_elements = grid.w.source * channels;
  TileBuffer<T> buffer;
  for (std::int64_t t = begin; t < end; ++t) {
    const TilePosition position = position_of(grid, first_tile + t);
    const TileSpan rows(position.row * grid.h.step + grid.h.origin, grid.h.source, h.inputs);
    const TileSpan columns(position.column * grid.w.step + grid.w.origin, grid.w.source, w.inputs);
    const TileRows<T> lines(task.x + position.image * grid.h.source * row_elements, row_elements, rows, zeros);
    T* to = v + t * lanes<T>;
    for (std::int64_t c = 0; c < channels; c += lanes<T>, to += chunk * lanes<T>) {
      h.input.height(lines.rows, columns.first * channels + c, channels, columns.begin, columns.end, w.inputs, buffer.lines);
      w.input.width(buffer.lines, h.products, to, v_stride);
    }
  }
}

/// Where in one product of D the line of outputs from `output` on lies for the first tile, and how
/// many elements a product takes.
template <class T>
std::int64_t offset_in_d(std::int64_t output, std::int64_t chunk) {
  constexpr std::int64_t group = gradient_group<T>;
  return output / group * chunk * group + output % group;
}
template <class T>
std::int64_t d_elements(std::int64_t outputs, std::int64_t chunk) {
  constexpr std::int64_t group = gradient_group<T>;
  return (outputs + group - 1) / group * group * chunk;
}

/// Reads one line of a tile's dy, and in the same pass completes the gradients of PReLU and bias:
/// values (outputs of h, of w, line), zero outside of the image.
template <class T>
class GradientReader {
 public:
  /// partial: (2, outputs), added to: of the slopes, then of the biases.
  GradientReader(const WinogradWeightGradient<T>& task, T* partial) : task_(task), slopes_(partial), biases_(partial + task.outputs) {}

  void read(std::int64_t offset, std::int64_t c, int rows, int columns, T* values) const {
    const int height = task_.grid.h.passes->outputs, width = task_.grid.w.passes->outputs;
    const std::int64_t row_stride = task_.grid.w.target * task_.outputs;
    const bool active = task_.sums != nullptr;
    const Vector<T> slope = active ? load(task_.slope + c) : Vector<T>{};
    Vector<T> slope_sum{}, bias_sum{};
    for (int i = 0; i < height; ++i) {
      for (int j = 0; j < width; ++j) {
        Vector<T> dz{};
        if (i < rows && j < columns) {
          const std::int64_t at = offset + i * row_stride + j * task_.outputs + c;
          dz = load(task_.dy + at);
          if (active) {
            const Vector<T> sum = load(task_.sums + at);
            slope_sum += sum > 0 ? Vector<T>{} : sum * dz;
            dz = sum > 0 ? dz : dz * slope;
          }
          bias_sum += dz;
        }
        store(values + (i * width + j) * lanes<T>, dz);
      }
    }
    store(slopes_ + c, load(slopes_ + c) + slope_sum);
    store(biases_ + c, load(biases_ + c) + bias_sum);
    if (!active || task_.dz == nullptr) return;
    // Only now: see the note on addresses in winograd_tiles.h.
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < columns; ++j) {
        store(task_.dz + offset + i * row_stride + j * task_.outputs + c, load(values + (i * width + j) * lanes<T>));
      }
    }
  }

 private:
  const WinogradWeightGradient<T>& task_;
  T* slopes_;
  T* biases_;
};

template <class T>
void transform_dy(const WinogradWeightGradient<T>& task, std::int64_t first_tile, std::int64_t begin, std::int64_t end, std::int64_t chunk,
                  T* partial, T* d, std::int64_t d_stride) {
  const TileGrid<T>& grid = task.grid;
  const auto& h = *grid.h.passes;
  const auto& w = *grid.w.passes;
  const std::int64_t outputs = task.outputs;
  const GradientReader<T> reader(task, partial);
  TileBuffer<T> values, buffer;
  const T* lines[max_tile_outputs];
  for (int i = 0; i < h.outputs; ++i) lines[i] = values.lines + i * w.outputs * lanes<T>;
  for (std::int64_t t = begin; t < end; ++t) {
    const TilePosition position = position_of(grid, first_tile + t);
    const std::int64_t row = position.row * h.outputs, column = position.column * w.outputs;
    const int rows = static_cast<int>(std::min<std::int64_t>(h.outputs, grid.h.target - row));
    const int columns = static_cast<int>(std::min<std::int64_t>(w.outputs, grid.w.target - column));
    const std::int64_t offset = ((position.image * grid.h.target + row) * grid.w.target + column) * outputs;
    T* const to = d + t * gradient_group<T>;
    for (std::int64_t c = 0; c < outputs; c += lanes<T>) {
      reader.read(offset, c, rows, columns, values.lines);
      h.gradient.height(lines, 0, lanes<T>, 0, w.outputs, w.outputs, buffer.lines);
      w.gradient.width(buffer.lines, h.products, to + offset_in_d<T>(c, chunk), d_stride);
    }
  }
}

/// M of one product += the sums over a chunk.
template <class T>
void multiply(const WinogradWeightGradient<T>& task, const T* d, const T* v, std::int64_t chunk, std::int64_t tiles, T* m, bool add) {
  const VectorPanels<T> panels{task.channels};
  for (std::int64_t panel = 0; panel < panels.count(); ++panel) {
    const T* columns = v + panel * 2 * chunk * lanes<T>;
    const std::int64_t width = panels.width_of(panel);
    T* to = m + panel * VectorPanels<T>::width * task.outputs;
    std::int64_t o = 0;
    const auto blocks_of = [&]<int Rows>() {
      for (; o + Rows <= task.outputs; o += Rows) {
        const T* rows = d + offset_in_d<T>(o, chunk);
        if (panels.whole(panel)) {
          add_tile_products<T, Rows, 2>(rows, columns, chunk * lanes<T>, tiles, to + o * width, add);
        } else {
          add_tile_products<T, Rows, 1>(rows, columns, chunk * lanes<T>, tiles, to + o * width, add);
        }
      }
    };
    blocks_of.template operator()<gradient_rows>();
    blocks_of.template operator()<4>();
    blocks_of.template operator()<2>();
  }
}

/// dw of one output and one panel of channels.
template <class T>
void transform_sums(const WinogradWeightGradient<T>& task, std::int64_t output, std::int64_t panel, const T* m, std::int64_t m_stride) {
  const VectorPanels<T> panels{task.channels};
  const auto& h = *task.grid.h.passes;
  const auto& w = *task.grid.w.passes;
  const std::int64_t width = panels.width_of(panel);
  TileBuffer<T> half, taps;
  for (std::int64_t vector = 0; vector < width; vector += lanes<T>) {
    const std::int64_t c = panel * VectorPanels<T>::width + vector;
    h.weights.height(m + panel * VectorPanels<T>::width * task.outputs + output * width + vector, m_stride, w.products, half.lines);
    w.weights.width(half.lines, 3, taps.lines);
    for (int tap = 0; tap < 9; ++tap) {
      T* to = task.dw + (output * 9 + tap) * task.channels + c;
      const Vector<T> sum = load(taps.lines + tap * lanes<T>);
      store(to, task.write == Write::add ? load(to) + sum : sum);
    }
  }
}

/// How the tiles are cut. All of it depends on the shape alone.
template <class T>
struct Division {
  std::int64_t parts;  // with sums of their own
  std::int64_t chunk;  // tiles
  std::int64_t m_elements;

  explicit Division(const WinogradWeightGradient<T>& task) {
    constexpr std::int64_t small_m = 5 << 18, chunk_bytes = 1 << 20, fewest = 64, most_parts = 4;
    const std::int64_t tiles = task.grid.tiles(), products = task.grid.products();
    const std::int64_t tile_bytes = products * (task.channels + task.outputs) * static_cast<std::int64_t>(sizeof(T));
    m_elements = products * (task.channels * task.outputs + line_elements<T>);
    const bool own = m_elements * static_cast<std::int64_t>(sizeof(T)) <= small_m;
    parts = own ? std::clamp<std::int64_t>(tiles / fewest, 1, most_parts) : 1;
    const std::int64_t most = own ? piece_tiles : std::max(fewest, chunk_bytes / tile_bytes);
    const std::int64_t chunks = (tiles + most - 1) / most;
    chunk = whole_pieces((tiles + chunks - 1) / chunks);
  }
  static std::int64_t whole_pieces(std::int64_t tiles) { return (tiles + piece_tiles - 1) / piece_tiles * piece_tiles; }
};

/// Where everything of one pass lies.
template <class T>
struct Room {
  std::int64_t v_stride, d_stride, m_stride;  // from one product to the next
  std::int64_t zero_elements, partial_elements;
  WorkspaceSize<T> size;
  T* m = nullptr;         // (parts, M)
  T* partials = nullptr;  // (pieces, 2, outputs)
  T* zeros = nullptr;     // a row of x

  Room(const WinogradWeightGradient<T>& task, const Division<T>& division)
      : v_stride(division.chunk * task.channels + line_elements<T>),
        d_stride(d_elements<T>(task.outputs, division.chunk) + line_elements<T>),
        m_stride(task.channels * task.outputs + line_elements<T>),
        zero_elements(task.grid.w.source * task.channels),
        partial_elements(Division<T>::whole_pieces(task.grid.tiles()) / piece_tiles * 2 * task.outputs) {
    const std::int64_t vd_elements = task.grid.products() * (v_stride + d_stride);
    const std::int64_t lasting = division.parts * division.m_elements + partial_elements + zero_elements;
    size = division.parts > 1 ? WorkspaceSize<T>{lasting, vd_elements} : WorkspaceSize<T>{lasting + vd_elements, 0};
  }
};

/// M of the tiles [begin, end), by one thread.
template <class T>
void sum_part(const WinogradWeightGradient<T>& task, const Room<T>& room, std::int64_t chunk, std::int64_t begin, std::int64_t end, T* v,
              T* m) {
  const int products = task.grid.products();
  T* d = v + products * room.v_stride;
  for (std::int64_t first = begin; first < end; first += chunk) {
    const std::int64_t count = std::min(chunk, end - first);
    transform_x(task, first, 0, count, chunk, room.zeros, v, room.v_stride);
    transform_dy(task, first, 0, count, chunk, room.partials + first / piece_tiles * 2 * task.outputs, d, room.d_stride);
    for (int product = 0; product < products; ++product) {
      multiply(task, d + product * room.d_stride, v + product * room.v_stride, chunk, count, m + product * room.m_stride, first > begin);
    }
  }
}

/// M of all tiles, by all threads.
template <class T>
void sum_together(Cpu& cpu, const WinogradWeightGradient<T>& task, const Room<T>& room, std::int64_t chunk, T* v) {
  const std::int64_t tiles = task.grid.tiles();
  const int products = task.grid.products();
  T* d = v + products * room.v_stride;
  for (std::int64_t first = 0; first < tiles; first += chunk) {
    const std::int64_t count = std::min(chunk, tiles - first);
    parallel_for(cpu, (count + piece_tiles - 1) / piece_tiles, [&](std::int64_t piece, int) {
      const std::int64_t begin = piece * piece_tiles, end = std::min(count, begin + piece_tiles);
      transform_x(task, first, begin, end, chunk, room.zeros, v, room.v_stride);
      transform_dy(task, first, begin, end, chunk, room.partials + (first / piece_tiles + piece) * 2 * task.outputs, d, room.d_stride);
    });
    parallel_for(cpu, products, [&](std::int64_t product, int) {
      multiply(task, d + product * room.d_stride, v + product * room.v_stride, chunk, count, room.m + product * room.m_stride, first > 0);
    });
  }
}

/// Adds up `count` arrays of `elements` in pairs, so that the rounding error grows with the
/// logarithm of their number.
template <class T>
void add_in_pairs(T* arrays, std::int64_t count, std::int64_t elements) {
  for (std::int64_t span = 1; span < count; span *= 2) {
    for (std::int64_t i = 0; i + span < count; i += 2 * span) {
      T* left = arrays + i * elements;
      const T* right = arrays + (i + span) * elements;
      for (std::int64_t k = 0; k < elements; ++k) left[k] += right[k];
    }
  }
}

}  // namespace

template <class T>
ScratchBytes winograd_weight_gradient_scratch(const WinogradWeightGradient<T>& task) {
  return Room<T>(task, Division<T>(task)).size.bytes();
}

template <class T>
void winograd_weight_gradient(Cpu& cpu, const WinogradWeightGradient<T>& task) {
  const Division<T> division(task);
  const int products = task.grid.products();
  const std::int64_t tiles = task.grid.tiles(), chunk = division.chunk;
  Room<T> room(task, division);
  const Workspace<T> workspace(cpu, room.size);
  room.m = workspace.shared();
  room.partials = room.m + division.parts * division.m_elements;
  room.zeros = room.partials + room.partial_elements;
  std::fill_n(room.partials, room.partial_elements + room.zero_elements, T{0});

  if (division.parts > 1) {
    parallel_for(cpu, division.parts, [&](std::int64_t part, int worker) {
      const auto boundary = [&](std::int64_t p) { return std::min(tiles, Division<T>::whole_pieces(tiles * p / division.parts)); };
      sum_part(task, room, chunk, boundary(part), boundary(part + 1), workspace.local(worker), room.m + part * division.m_elements);
    });
    parallel_for(cpu, products, [&](std::int64_t product, int) {
      T* first = room.m + product * room.m_stride;
      for (std::int64_t part = 1; part < division.parts; ++part) {
        const T* next = first + part * division.m_elements;
        for (std::int64_t k = 0; k < task.channels * task.outputs; ++k) first[k] += next[k];
      }
    });
  } else {
    sum_together(cpu, task, room, chunk, room.zeros + room.zero_elements);
  }

  const VectorPanels<T> panels{task.channels};
  parallel_for(cpu, task.outputs, [&](std::int64_t output, int) {
    for (std::int64_t panel = 0; panel < panels.count(); ++panel) transform_sums(task, output, panel, room.m, room.m_stride);
  });
  add_in_pairs(room.partials, room.partial_elements / (2 * task.outputs), 2 * task.outputs);
  if (task.dslope != nullptr) std::copy_n(room.partials, task.outputs, task.dslope);
  if (task.dbias != nullptr) std::copy_n(room.partials + task.outputs, task.outputs, task.dbias);
}

template void winograd_weight_gradient(Cpu&, const WinogradWeightGradient<float>&);
template void winograd_weight_gradient(Cpu&, const WinogradWeightGradient<double>&);
template ScratchBytes winograd_weight_gradient_scratch(const WinogradWeightGradient<float>&);
template ScratchBytes winograd_weight_gradient_scratch(const WinogradWeightGradient<double>&);

}  // namespace amnet
