// The one way a CPU kernel uses several threads, and the one way it sums over rows. Work is cut
// into pieces whose size depends on the tensor alone, never on the number of threads, and partial
// sums are added in the order of the pieces: 1, 2 or 4 threads give the same bits.
#pragma once

#include "thread_pool.h"

#include <amnet/core/device.h>
#include <amnet/core/gradient.h>

#include <algorithm>
#include <cstdint>

namespace amnet {

/// Calls body(piece, worker) for every piece in [0, pieces); worker is in [0, cpu.threads()).
/// The body writes only what belongs to its piece, and does not throw.
template <class Body>
void parallel_for(const Cpu& cpu, std::int64_t pieces, const Body& body) {
  ThreadPool::of_process().run(
      cpu.threads(), pieces, [](const void* of, std::int64_t piece, int worker) { (*static_cast<const Body*>(of))(piece, worker); }, &body);
}

inline std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// A range of rows: one piece of a tensor that is cut along its leading dimensions.
struct Rows {
  std::int64_t begin, end;
};

/// How many pieces `rows` rows of `row_elements` elements are cut into: enough work each to be
/// worth a thread.
inline std::int64_t pieces_of(std::int64_t rows, std::int64_t row_elements) {
  constexpr std::int64_t elements_per_piece = 16384;
  const std::int64_t rows_per_piece = std::max<std::int64_t>(1, elements_per_piece / std::max<std::int64_t>(1, row_elements));
  return ceil_div(rows, rows_per_piece);
}
/// The rows of one piece: the same for any number of threads.
inline Rows piece_rows(std::int64_t rows, std::int64_t pieces, std::int64_t piece) {
  return {rows * piece / pieces, rows * (piece + 1) / pieces};
}

/// Writes `value` as the gradient's mode says; `write` is assign or add.
template <class T>
void put(T& target, T value, Write write) {
  target = write == Write::add ? target + value : value;
}

/// out[c] (+)= the sum over rows r of term(r, c): partial sums per piece, then the pieces in order,
/// in T. `add_rows(rows, partial)` adds the terms of a range of rows into `partial` (columns),
/// which starts at zero. Takes the Cpu's scratch.
template <class T, class AddRows>
void sum_over_rows(Cpu& cpu, std::int64_t rows, std::int64_t columns, T* out, Write write, AddRows&& add_rows) {
  const std::int64_t pieces = std::max<std::int64_t>(1, pieces_of(rows, columns));
  T* const partials = reinterpret_cast<T*>(cpu.scratch(0, static_cast<std::size_t>(pieces * columns) * sizeof(T)));
  parallel_for(cpu, pieces, [&](std::int64_t piece, int) {
    T* partial = partials + piece * columns;
    std::fill_n(partial, columns, T{0});
    add_rows(piece_rows(rows, pieces, piece), partial);
  });
  // A binary tree, so that the rounding error grows with the logarithm of the number of pieces.
  for (std::int64_t width = 1; width < pieces; width *= 2) {
    for (std::int64_t piece = 0; piece + width < pieces; piece += 2 * width) {
      T* left = partials + piece * columns;
      const T* right = partials + (piece + width) * columns;
      for (std::int64_t c = 0; c < columns; ++c) left[c] += right[c];
    }
  }
  for (std::int64_t c = 0; c < columns; ++c) put(out[c], partials[c], write);
}

}  // namespace amnet
