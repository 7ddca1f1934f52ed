// Transposition in registers, a square of lanes<T> x lanes<T> elements at a time. Each round
// interleaves row i with row i + half of the square, which moves the highest bit of a row's number
// to the lowest of its column's: after log2(lanes) rounds they have changed places.
#pragma once

#include "vector.h"

#include <cstdint>
#include <utility>

namespace amnet {

/// The lower or upper half of a and b, element by element in turn: a0 b0 a1 b1 ...
template <class T, bool upper>
[[gnu::always_inline]] inline Vector<T> interleave(Vector<T> a, Vector<T> b) {
  constexpr int first = upper ? lanes<T> / 2 : 0;
  return [&]<int... i>(std::integer_sequence<int, i...>) {
#if defined(__clang__)
    return __builtin_shufflevector(a, b, (first + i / 2 + i % 2 * lanes<T>)...);
#else
    // GCC 11 has no __builtin_shufflevector; its own takes the indices as a vector of integers as
    // wide as the elements.
    const decltype(a < b) indices = {(first + i / 2 + i % 2 * lanes<T>)...};
    return __builtin_shuffle(a, b, indices);
#endif
  }
  (std::make_integer_sequence<int, lanes<T>>());
}

/// to[column][row] = from[row][column] for a square; rows are `from_stride` and `to_stride`
/// elements apart.
template <class T>
void transpose_square(const T* from, std::int64_t from_stride, T* to, std::int64_t to_stride) {
  constexpr int size = lanes<T>;
  Vector<T> rows[size], next[size];
#pragma GCC unroll 16
  for (int i = 0; i < size; ++i) rows[i] = load(from + i * from_stride);
#pragma GCC unroll 4
  for (int round = 1; round < size; round *= 2) {
#pragma GCC unroll 16
    for (int i = 0; i < size / 2; ++i) {
      next[2 * i] = interleave<T, false>(rows[i], rows[i + size / 2]);
      next[2 * i + 1] = interleave<T, true>(rows[i], rows[i + size / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < size; ++i) rows[i] = next[i];
  }
#pragma GCC unroll 16
  for (int i = 0; i < size; ++i) store(to + i * to_stride, rows[i]);
}

/// The same for rows x columns of any size.
template <class T>
void transpose(std::int64_t rows, std::int64_t columns, const T* from, std::int64_t from_stride, T* to, std::int64_t to_stride) {
  constexpr std::int64_t width = lanes<T>;
  const std::int64_t square_rows = rows - rows % width, square_columns = columns - columns % width;
  for (std::int64_t row = 0; row < square_rows; row += width) {
    for (std::int64_t column = 0; column < square_columns; column += width) {
      transpose_square(from + row * from_stride + column, from_stride, to + column * to_stride + row, to_stride);
    }
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = row < square_rows ? square_columns : 0; column < columns; ++column) {
      to[column * to_stride + row] = from[row * from_stride + column];
    }
  }
}

}  // namespace amnet
