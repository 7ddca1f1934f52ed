// The two small matrix products that convolutions and fully connected layers are made of, written
// once for every instruction set with the compiler's vector types. Each keeps a block of results in
// registers:
//
//   multiply_patches   C (rows x columns) = A (rows x k) B (k x columns)    A is read in place, B is packed
//   sum_outer_products C (rows x columns) = A^T (rows x p) B (p x columns)  A is packed, B is read in place
//
// "In place" means in an image: consecutive rows of a patch matrix overlap in memory, so nothing
// like im2col is needed. Results go to a small tile (rows x columns, contiguous); the caller adds,
// scales and scatters it.
//
// Why not Eigen's products: at the network's shapes they reach 143 to 173 GFLOP/s on one Zen 5 core
// of about 240, before any patch is gathered; these reach 185 to 230 with the gathering.
#pragma once

#include "vector.h"

#include <amnet/core/gradient.h>

#include <cstdint>

namespace amnet {

/// to[i] (+)= from[i] for i in [0, count).
template <class T>
void put_all(T* to, const T* from, std::int64_t count, Write write) {
  std::int64_t i = 0;
  if (write == Write::add) {
    for (; i + lanes<T> <= count; i += lanes<T>) store(to + i, load(to + i) + load(from + i));
  } else {
    for (; i + lanes<T> <= count; i += lanes<T>) store(to + i, load(from + i));
  }
  for (; i < count; ++i) to[i] = write == Write::add ? to[i] + from[i] : from[i];
}

/// Rows of a patch matrix come in groups of this many pixels that lie side by side in one image
/// row: one address and one stride reach them all, so that the block below needs few address
/// registers.
inline constexpr int group_rows = 3;

/// The register block of multiply_patches: `Vectors` vectors wide, three quarters of the registers
/// in all.
template <class T, int Vectors>
struct PatchBlock {
  static constexpr int groups = vector_registers * 3 / 4 / (group_rows * Vectors);
  static constexpr int rows = groups * group_rows;
  static constexpr int columns = Vectors * lanes<T>;
};

/// Where a patch lies: `segments` runs (kernel rows) of `length` elements (kernel columns x
/// channels), `pitch` apart.
struct PatchShape {
  std::int64_t segments, length, pitch;
};

/// tile[row][column] = the sum over k of patch(row)[k] * b[k][column]. Row 3g+r is the patch at
/// groups[g] + r * stride. b: (segments * length, columns), packed.
template <class T, int Vectors>
void multiply_patches(const T* const* groups, std::int64_t stride, const PatchShape& shape, const T* b, T* tile) {
  using Block = PatchBlock<T, Vectors>;
  Vector<T> sums[Block::rows][Vectors] = {};
  const T* rows[Block::groups];
  for (std::int64_t segment = 0; segment < shape.segments; ++segment) {
#pragma GCC unroll 32
    for (int g = 0; g < Block::groups; ++g) rows[g] = groups[g] + segment * shape.pitch;
    for (std::int64_t k = 0; k < shape.length; ++k) {
      Vector<T> columns[Vectors];
#pragma GCC unroll 32
      for (int v = 0; v < Vectors; ++v) columns[v] = load(b + v * lanes<T>);
      b += Block::columns;
#pragma GCC unroll 32
      for (int g = 0; g < Block::groups; ++g) {
#pragma GCC unroll 32
        for (int r = 0; r < group_rows; ++r) {
          const Vector<T> value = broadcast(rows[g][r * stride]);
#pragma GCC unroll 32
          for (int v = 0; v < Vectors; ++v) sums[g * group_rows + r][v] += value * columns[v];
        }
        ++rows[g];
      }
    }
  }
#pragma GCC unroll 32
  for (int row = 0; row < Block::rows; ++row) {
#pragma GCC unroll 32
    for (int v = 0; v < Vectors; ++v) store(tile + row * Block::columns + v * lanes<T>, sums[row][v]);
  }
}

/// The register block of sum_outer_products: `outer_rows` x up to `outer_vectors` vectors.
inline constexpr int outer_rows = vector_registers / 4;
inline constexpr int outer_vectors = 3;

/// tile[row][column] = the sum over pixels p of a[p][row] * b(p)[column]. The pixels are `lines`
/// image rows of `pixels`; pixel j of line i is at b + line_offsets[i] + j * stride. a: (lines *
/// pixels, outer_rows), packed.
template <class T, int Vectors>
void sum_outer_products(const T* a, const T* b, const std::int64_t* line_offsets, std::int64_t lines, std::int64_t pixels,
                        std::int64_t stride, T* tile) {
  Vector<T> sums[outer_rows][Vectors] = {};
  for (std::int64_t line = 0; line < lines; ++line) {
    const T* pixel = b + line_offsets[line];
    for (std::int64_t j = 0; j < pixels; ++j) {
      Vector<T> columns[Vectors];
#pragma GCC unroll 32
      for (int v = 0; v < Vectors; ++v) columns[v] = load(pixel + v * lanes<T>);
#pragma GCC unroll 32
      for (int row = 0; row < outer_rows; ++row) {
        const Vector<T> value = broadcast(a[row]);
#pragma GCC unroll 32
        for (int v = 0; v < Vectors; ++v) sums[row][v] += value * columns[v];
      }
      a += outer_rows;
      pixel += stride;
    }
  }
#pragma GCC unroll 32
  for (int row = 0; row < outer_rows; ++row) {
#pragma GCC unroll 32
    for (int v = 0; v < Vectors; ++v) store(tile + (row * Vectors + v) * lanes<T>, sums[row][v]);
  }
}

}  // namespace amnet
