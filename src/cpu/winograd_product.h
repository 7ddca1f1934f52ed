// The matrix products between the transforms of winograd.h, each with its block of results in
// registers. All of a step's arithmetic is here: 8 x 2 vectors reach 90 to 97 % of the peak of a
// core with 32 registers.
#pragma once

#include "bfloat16.h"

#include <cstdint>
#include <numeric>

namespace amnet {

/// Tiles of one block of the forward product: rows of its results.
inline constexpr int tile_rows = vector_registers == 32 ? 8 : 6;

/// Source channels of one step of the forward product. With two vectors a row of weights, a panel
/// of them takes a third of a first-level cache: it stays there for all blocks of tiles while the
/// next one is fetched.
template <class Factor>
inline constexpr std::int64_t product_depth = 8 * lanes<Factor>;

/// What a product prefetches while it computes: `lines` cache lines for every vector's length of
/// source channels.
template <class Factor>
struct Ahead {
  const Factor* from;
  int lines;
};

/// m[row][n] (+)= the sum over k of v[row][k] * u[k][n] for one block of tiles and one panel of
/// `Vectors` vectors. v: [k / L][tile_rows][L], u: [k / S][Vectors * L][S], m: [n / L] at m_stride,
/// each [tile_rows][L]; L = lanes<T>, S = factors_per_lane<T, Factor>.
template <class T, class Factor, int Vectors>
void multiply_tiles(const Factor* v, const Factor* u, std::int64_t channels, T* m, std::int64_t m_stride, bool add, Ahead<Factor> ahead) {
  constexpr int step = factors_per_lane<T, Factor>;
  Vector<T> sums[tile_rows][Vectors] = {};
  for (std::int64_t k = 0; k < channels; k += lanes<T>, v += tile_rows * lanes<T>) {
    for (int line = 0; line < ahead.lines; ++line, ahead.from += line_elements<Factor>) __builtin_prefetch(ahead.from, 0, 3);
    for (int lane = 0; lane < lanes<T>; lane += step, u += Vectors * lanes<Factor>) {
      Vector<Factor> columns[Vectors];
#pragma GCC unroll 8
      for (int j = 0; j < Vectors; ++j) columns[j] = load(u + j * lanes<Factor>);
#pragma GCC unroll 8
      for (int row = 0; row < tile_rows; ++row) {
        const Vector<Factor> value = broadcast_factors(v + row * lanes<T> + lane);
#pragma GCC unroll 8
        for (int j = 0; j < Vectors; ++j) sums[row][j] = add_product(sums[row][j], value, columns[j]);
      }
    }
  }
#pragma GCC unroll 8
  for (int j = 0; j < Vectors; ++j) {
#pragma GCC unroll 8
    for (int row = 0; row < tile_rows; ++row) {
      T* to = m + j * m_stride + row * lanes<T>;
      store(to, add ? load(to) + sums[row][j] : sums[row][j]);
    }
  }
}

/// Output channels of one block of the weight gradient's product. Blocks are cut from groups of
/// lines that hold a whole number of them: 8 from a line of 16 lanes, 6 from three lines of 8. With
/// 4 rows, cut from one line of 8, a core of 16 registers made 62 GFLOP/s instead of 88.
inline constexpr int gradient_rows = tile_rows;
template <class T>
inline constexpr int gradient_group = std::lcm(gradient_rows, lanes<T>);

/// m[row][n] (+)= the sum over tiles of d[tile][row] * v[tile][n]. d: a group of channels from one
/// tile to the next, of which `Rows` are used; v: `Vectors` lines at v_stride, each a line from one
/// tile to the next; m: [row][Vectors * L].
template <class T, int Rows, int Vectors>
void add_tile_products(const T* d, const T* v, std::int64_t v_stride, std::int64_t tiles, T* m, bool add) {
  Vector<T> sums[Rows][Vectors] = {};
  for (std::int64_t tile = 0; tile < tiles; ++tile, d += gradient_group<T>, v += lanes<T>) {
    Vector<T> columns[Vectors];
#pragma GCC unroll 8
    for (int j = 0; j < Vectors; ++j) columns[j] = load(v + j * v_stride);
#pragma GCC unroll 8
    for (int row = 0; row < Rows; ++row) {
      const Vector<T> value = broadcast(d[row]);
#pragma GCC unroll 8
      for (int j = 0; j < Vectors; ++j) sums[row][j] += value * columns[j];
    }
  }
#pragma GCC unroll 8
  for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 8
    for (int j = 0; j < Vectors; ++j) {
      T* to = m + (row * Vectors + j) * lanes<T>;
      // Sums of one chunk are added to those of the chunks before as a whole: a shorter chain of
      // roundings.
      store(to, add ? load(to) + sums[row][j] : sums[row][j]);
    }
  }
}

}  // namespace amnet
