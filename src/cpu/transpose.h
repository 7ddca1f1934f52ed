// Squares of lanes<T> x lanes<T> elements, transposed in registers: log2(lanes) rounds, each interleaving rows half a square apart.
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
    // GCC 11 has no __builtin_shufflevector; its own takes the indices as a vector of integers as wide as the elements.
    using Index = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
    typedef Index Indices __attribute__((vector_size(vector_bytes)));
    return __builtin_shuffle(a, b, Indices{(first + i / 2 + i % 2 * lanes<T>)...});
#endif
  }
  (std::make_integer_sequence<int, lanes<T>>());
}

/// to[k][n] = from[n][k]; rows of `to` are contiguous.
template <class T>
void transpose_square(const T* from, std::int64_t from_step, T* to) {
  constexpr int size = lanes<T>;
  Vector<T> rows[size], next[size];
#pragma GCC unroll 16
  for (int n = 0; n < size; ++n) rows[n] = load(from + n * from_step);
#pragma GCC unroll 4
  for (int round = 1; round < size; round *= 2) {
#pragma GCC unroll 16
    for (int n = 0; n < size / 2; ++n) {
      next[2 * n] = interleave<T, false>(rows[n], rows[n + size / 2]);
      next[2 * n + 1] = interleave<T, true>(rows[n], rows[n + size / 2]);
    }
#pragma GCC unroll 16
    for (int n = 0; n < size; ++n) rows[n] = next[n];
  }
#pragma GCC unroll 16
  for (int k = 0; k < size; ++k) store(to + k * size, rows[k]);
}

}  // namespace amnet
