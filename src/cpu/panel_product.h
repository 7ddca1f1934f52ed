// The matrix product of the fully connected layers, written once for every instruction set with the compiler's vector types:
//
//   C (rows x columns) (+)= A (rows x depth) B (depth x columns)
//
// Elements of A are broadcast, rows of B and C are vectors. B is read in panels of two vectors' width.
#pragma once

#include "matrix_product.h"

#include <algorithm>

namespace amnet {

/// A panel's width, and the rows of its register block: three quarters of the registers hold sums.
template <class T>
inline constexpr int panel_columns = 2 * lanes<T>;
inline constexpr int panel_rows = vector_registers * 3 / 8;
/// So many terms are summed in registers: a panel of B then stays in the first-level cache, and no sum is long enough to lose digits.
inline constexpr std::int64_t panel_depth = 192;

/// A factor that is read element by element: (row, k) is at[row * row_stride + k * depth_stride].
template <class T>
struct Elements {
  const T* at;
  std::int64_t row_stride, depth_stride;

  Elements from_row(std::int64_t row) const { return {at + row * row_stride, row_stride, depth_stride}; }
};

/// Rows of contiguous elements: row r begins at at + r * stride.
template <class T>
struct Lines {
  T* at;
  std::int64_t stride;

  Lines from_row(std::int64_t row) const { return {at + row * stride, stride}; }
  Lines from_column(std::int64_t column) const { return {at + column, stride}; }
};

/// c (+)= a b for `Rows` rows and `Vectors` vectors of columns.
template <class T, int Rows, int Vectors>
void multiply_block(std::int64_t depth, Elements<T> a, Lines<const T> b, Lines<T> c, Write write) {
  // One address reaches a group of rows: a register for each of twelve would be too many.
  constexpr int group = Rows % 4 == 0 ? 4 : Rows % 2 == 0 ? 2 : 1;
  Vector<T> sums[Rows][Vectors] = {};
  const T* rows[Rows / group];
#pragma GCC unroll 16
  for (int g = 0; g < Rows / group; ++g) rows[g] = a.at + g * group * a.row_stride;
  for (std::int64_t k = 0; k < depth; ++k) {
    Vector<T> columns[Vectors];
#pragma GCC unroll 16
    for (int v = 0; v < Vectors; ++v) columns[v] = load(b.at + v * lanes<T>);
#pragma GCC unroll 16
    for (int g = 0; g < Rows / group; ++g) {
#pragma GCC unroll 16
      for (int r = 0; r < group; ++r) {
        const Vector<T> value = broadcast(rows[g][r * a.row_stride]);
#pragma GCC unroll 16
        for (int v = 0; v < Vectors; ++v) sums[g * group + r][v] += value * columns[v];
      }
      rows[g] += a.depth_stride;
    }
    b.at += b.stride;
  }
#pragma GCC unroll 16
  for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 16
    for (int v = 0; v < Vectors; ++v) {
      T* to = c.at + row * c.stride + v * lanes<T>;
      store(to, write == Write::add ? load(to) + sums[row][v] : sums[row][v]);
    }
  }
}

/// c (+)= a b for any number of rows and a panel of `Vectors` vectors.
template <class T, int Vectors>
void multiply_panel(std::int64_t rows, std::int64_t depth, Elements<T> a, Lines<const T> b, Lines<T> c, Write write) {
  std::int64_t row = 0;
  const auto blocks_of = [&]<int Rows>() {
    if constexpr (Rows <= panel_rows) {
      for (; row + Rows <= rows; row += Rows) multiply_block<T, Rows, Vectors>(depth, a.from_row(row), b, c.from_row(row), write);
    }
  };
  blocks_of.template operator()<panel_rows>();
  blocks_of.template operator()<8>();
  blocks_of.template operator()<4>();
  blocks_of.template operator()<2>();
  blocks_of.template operator()<1>();
}

template <class T>
std::int64_t panel_elements(std::int64_t columns, std::int64_t depth) {
  return (columns + panel_columns<T> - 1) / panel_columns<T> * panel_columns<T> * depth;
}

/// Copies b (depth x columns) into panels, one behind the other, the last filled up with zeros: where rows lie far apart a panel read in
/// place has each on another page, and often in the same few sets of the cache. `panels` has panel_elements(columns, depth).
template <class T>
void pack_panels(std::int64_t depth, std::int64_t columns, Lines<const T> b, T* panels) {
  constexpr std::int64_t width = panel_columns<T>, rows_at_a_time = 8;
  for (std::int64_t begin = 0; begin < depth; begin += rows_at_a_time) {
    const std::int64_t end = std::min(depth, begin + rows_at_a_time);
    for (std::int64_t column = 0; column < columns; column += width) {
      T* const panel = panels + column * depth;
      const std::int64_t here = std::min(width, columns - column);
      for (std::int64_t k = begin; k < end; ++k) {
        const T* from = b.from_row(k).from_column(column).at;
        T* to = panel + k * width;
        if (here == width) {
          store(to, load(from));
          store(to + lanes<T>, load(from + lanes<T>));
        } else {
          std::fill(std::copy_n(from, here, to), to + width, T{0});
        }
      }
    }
  }
}

/// c (rows x columns) (+)= a b for packed panels of b. `tail` has rows * panel_columns: room for the last panel's results.
template <class T>
void multiply_panels(std::int64_t rows, std::int64_t columns, std::int64_t depth, Elements<T> a, const T* panels, Lines<T> c, Write write,
                     T* tail) {
  constexpr std::int64_t width = panel_columns<T>;
  for (std::int64_t column = 0; column < columns; column += width) {
    const Lines<const T> panel{panels + column * depth, width};
    const std::int64_t here = std::min(width, columns - column);
    if (here == width) {
      multiply_panel<T, 2>(rows, depth, a, panel, c.from_column(column), write);
      continue;
    }
    multiply_panel<T, 2>(rows, depth, a, panel, {tail, width}, Write::assign);
    for (std::int64_t row = 0; row < rows; ++row) put_all(c.at + row * c.stride + column, tail + row * width, here, write);
  }
}

}  // namespace amnet
