// The matrix product of the fully connected layers, written once for every instruction set with the
// compiler's vector types:
//
//   C (rows x columns) (+)= A (rows x depth) B (depth x columns)
//
// Elements of A are broadcast, rows of B and C are vectors. B is read in panels of two vectors'
// width.
#pragma once

#include "matrix_product.h"
#include "parallel.h"

#include <algorithm>
#include <type_traits>

namespace amnet {

/// A panel's width, and the rows of its register block: three quarters of the registers hold sums.
template <class T>
inline constexpr int panel_columns = 2 * lanes<T>;
inline constexpr int panel_rows = vector_registers * 3 / 8;
/// This many terms are summed in registers: a panel of B then stays in the first-level cache, and
/// no sum is long enough to lose digits.
inline constexpr std::int64_t panel_depth = 192;

/// A factor that is read element by element: (row, k) is at[row * row_stride + k * depth_stride].
template <class T>
struct Elements {
  const T* at;
  std::int64_t row_stride, depth_stride;

  Elements from_row(std::int64_t row) const { return {at + row * row_stride, row_stride, depth_stride}; }
};

/// The same where the rows lie side by side, so that one address reaches them all: a product over
/// 32 samples then runs at 157 GFLOP/s instead of 112 (one AVX-512 core that reaches 175).
template <class T>
struct SideBySide {
  const T* at;
  std::int64_t depth_stride;
  static constexpr std::int64_t row_stride = 1;

  SideBySide from_row(std::int64_t row) const { return {at + row, depth_stride}; }
};

/// Rows of contiguous elements: row r begins at at + r * stride.
template <class T>
struct Lines {
  T* at;
  std::int64_t stride;

  Lines from_row(std::int64_t row) const { return {at + row * stride, stride}; }
  Lines from_column(std::int64_t column) const { return {at + column, stride}; }
};

/// What is done with a block of results. Only whole cache lines may be streamed: see vector.h.
enum class Put : unsigned char { assign, add, stream };
inline Put put_of(Write write) { return write == Write::add ? Put::add : Put::assign; }

/// Calls body(put_one), put_one(to, vector) being what `put` says: it is decided once, outside of
/// the body's loops.
template <class T, class Body>
[[gnu::always_inline]] inline void with_put(Put put, Body&& body) {
  if (put == Put::add) {
    body([](T* to, Vector<T> vector) { store(to, load(to) + vector); });
  } else if (put == Put::assign) {
    body([](T* to, Vector<T> vector) { store(to, vector); });
  } else {
    body([](T* to, Vector<T> vector) { stream(to, vector); });
  }
}

/// What is read next: the following rows of a, or a panel's worth of rows of b. It is fetched while
/// a panel is multiplied, a little with every line of terms, since the machine's prefetchers handle
/// neither short rows nor large strides, and a burst of requests stalls the machine. Null: nothing
/// to fetch.
template <class T>
struct Next {
  const T* a = nullptr;
  Lines<const T> b = {nullptr, 0};
  std::int64_t b_rows = 0;
};

/// The part of it that one block of rows fetches with each line of terms: the elements `ahead`
/// after its rows of a, and the first `b_rows` rows of b that no earlier line has fetched.
template <class T>
struct Fetch {
  std::int64_t ahead;
  Lines<const T> b;
  std::int64_t b_rows;
};

/// c (+)= a b for `Rows` rows and `Vectors` vectors of columns. Always inline: its arguments would
/// go through memory, an eighth of the time of a block of 32 terms.
template <int Rows, int Vectors, class T, class Factor>
[[gnu::always_inline]] inline void multiply_block(std::int64_t depth, Factor a, Lines<const T> b, Lines<T> c, Put put, Fetch<T> fetch) {
  // One address reaches a group of rows: a register for each of twelve would be too many.
  constexpr int group = std::is_same_v<Factor, SideBySide<T>> ? Rows : Rows % 4 == 0 ? 4 : Rows % 2 == 0 ? 2 : 1;
  constexpr std::int64_t line = line_elements<T>;
  Vector<T> sums[Rows][Vectors] = {};
  const T* rows[Rows / group];
#pragma GCC unroll 16
  for (int g = 0; g < Rows / group; ++g) rows[g] = a.at + g * group * a.row_stride;
  for (std::int64_t begin = 0; begin < depth; begin += line) {
    if (fetch.ahead != 0) {
#pragma GCC unroll 16
      for (int g = 0; g < Rows / group; ++g) {
#pragma GCC unroll 16
        for (int r = 0; r < group; ++r) __builtin_prefetch(rows[g] + r * a.row_stride + fetch.ahead, 0, 2);
      }
    }
    for (std::int64_t i = 0; i < fetch.b_rows; ++i, fetch.b.at += fetch.b.stride) {
#pragma GCC unroll 16
      for (std::int64_t column = 0; column < Vectors * lanes<T>; column += line) __builtin_prefetch(fetch.b.at + column, 0, 2);
    }
    for (std::int64_t k = begin, end = std::min(depth, begin + line); k < end; ++k) {
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
  }
  with_put<T>(put, [&](auto&& put_one) {
#pragma GCC unroll 16
    for (int row = 0; row < Rows; ++row) {
#pragma GCC unroll 16
      for (int v = 0; v < Vectors; ++v) put_one(c.at + row * c.stride + v * lanes<T>, sums[row][v]);
    }
  });
}

/// c (+)= a b for any number of rows and a panel of `Vectors` vectors.
template <class T, int Vectors, class Factor>
void multiply_panel(std::int64_t rows, std::int64_t depth, Factor a, Lines<const T> b, Lines<T> c, Put put, Next<T> next = {}) {
  const std::int64_t lines = ceil_div(depth, line_elements<T>);
  Fetch<T> fetch{0, next.b, ceil_div(next.b_rows, std::max<std::int64_t>(1, lines * ceil_div(rows, panel_rows)))};
  std::int64_t row = 0;
  const auto blocks_of = [&]<int Rows>() {
    if constexpr (Rows <= panel_rows) {
      for (; row + Rows <= rows; row += Rows) {
        const Factor here = a.from_row(row);
        const T* const next_a = row + Rows < rows ? a.from_row(row + Rows).at : next.a;
        fetch.ahead = next.a != nullptr ? next_a - here.at : 0;
        multiply_block<Rows, Vectors>(depth, here, b, c.from_row(row), put, fetch);
        fetch.b = fetch.b.from_row(lines * fetch.b_rows);
      }
    }
  };
  blocks_of.template operator()<panel_rows>();
  blocks_of.template operator()<8>();
  blocks_of.template operator()<4>();
  blocks_of.template operator()<2>();
  blocks_of.template operator()<1>();
}

/// Copies up to panel_columns columns of b (depth x columns) into a panel that zeros fill up.
template <class T>
void pack_panel(std::int64_t depth, std::int64_t columns, Lines<const T> b, T* panel) {
  constexpr std::int64_t width = panel_columns<T>;
  for (std::int64_t k = 0; k < depth; ++k, panel += width) {
    const T* from = b.from_row(k).at;
    if (columns >= width) {
      store(panel, load(from));
      store(panel + lanes<T>, load(from + lanes<T>));
    } else {
      std::fill(std::copy_n(from, columns, panel), panel + width, T{0});
    }
  }
}

/// Prefetches a block that is about to be read, or written.
template <class T, bool written>
void fetch_block(std::int64_t rows, std::int64_t columns, Lines<T> block) {
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; column += line_elements<T>) {
      __builtin_prefetch(block.from_row(row).from_column(column).at, written ? 1 : 0);
    }
  }
}

}  // namespace amnet
