// out = M in, for a small matrix M known to the compiler and vectors of values: straight-line code
// without a multiplication by 0 or 1. The points of bilinear.h come in pairs +p, -p, and so do the
// rows of M (or, transposed, its columns):
//
//   analyse      pairs rows:    even part e and odd part d once, then e + d and e - d
//   synthesise   pairs columns: in_k + in_{k+1} and in_k - in_{k+1} once, then every row uses one of the two
#pragma once

#include "bilinear.h"
#include "vector.h"

namespace amnet {

/// The part of row `Row` that it shares with the next one, with the same sign (even) or the other
/// (odd).
enum class RowPart : unsigned char { all, even, odd };

namespace bilinear {

template <const auto& M, int Row, RowPart part>
constexpr double coefficient(int k) {
  const double value = M.at[Row][k];
  if constexpr (part == RowPart::all) {
    return value;
  } else {
    return value == (part == RowPart::even ? 1 : -1) * M.at[Row + 1][k] ? value : 0;
  }
}

template <int Rows, int Columns>
constexpr bool rows_pair(const CoefficientMatrix<Rows, Columns>& m, int row) {
  if (row + 1 >= Rows) return false;
  bool even = false, odd = false;
  for (int k = 0; k < Columns; ++k) {
    const double a = m.at[row][k], b = m.at[row + 1][k];
    if (a != b && a != -b) return false;
    if (a != 0) (a == b ? even : odd) = true;
  }
  return even && odd;
}

/// Adds the terms K, K+1, ... of a row: first those of coefficient 1 or -1, which need no
/// multiplication, then the others.
template <class T, const auto& M, int Row, RowPart part, int K = 0, bool units = true, bool started = false>
[[gnu::always_inline]] inline Vector<T> sum_row(const Vector<T>* in, Vector<T> sum = Vector<T>{}) {
  if constexpr (K == M.columns) {
    if constexpr (units) return sum_row<T, M, Row, part, 0, false, started>(in, sum);
    return sum;
  } else {
    constexpr double c = coefficient<M, Row, part>(K);
    constexpr bool unit = c == 1 || c == -1;
    if constexpr (c == 0 || unit != units) {
      return sum_row<T, M, Row, part, K + 1, units, started>(in, sum);
    } else {
      if constexpr (unit) {
        if constexpr (started) {
          sum = c == 1 ? sum + in[K] : sum - in[K];
        } else {
          sum = c == 1 ? in[K] : -in[K];
        }
      } else {
        const Vector<T> product = in[K] * broadcast(static_cast<T>(c));
        sum = started ? sum + product : product;
      }
      return sum_row<T, M, Row, part, K + 1, units, true>(in, sum);
    }
  }
}

template <int Rows, int Columns>
struct Butterflied {
  CoefficientMatrix<Rows, Columns> matrix;
  bool pair[Columns] = {};  // whether columns k and k + 1 were replaced by their sum and difference
};

template <int Rows, int Columns>
constexpr Butterflied<Rows, Columns> butterfly(const CoefficientMatrix<Rows, Columns>& m) {
  Butterflied<Rows, Columns> result{.matrix = m};
  const auto columns = m.transposed();
  for (int k = 0; k < Columns; ++k) {
    if (!rows_pair(columns, k)) continue;
    result.pair[k] = true;
    for (int i = 0; i < Rows; ++i) {
      const bool even = m.at[i][k] == m.at[i][k + 1];
      result.matrix.at[i][k] = even ? m.at[i][k] : 0;
      result.matrix.at[i][k + 1] = even ? 0 : m.at[i][k];
    }
    ++k;
  }
  return result;
}

template <const auto& M>
inline constexpr auto butterflied = butterfly(M);
template <const auto& M>
inline constexpr auto butterflied_matrix = butterflied<M>.matrix;

}  // namespace bilinear

template <class T, const auto& M, int Row = 0>
[[gnu::always_inline]] inline void analyse(const Vector<T>* in, Vector<T>* out) {
  if constexpr (Row < M.rows) {
    if constexpr (bilinear::rows_pair(M, Row)) {
      const Vector<T> even = bilinear::sum_row<T, M, Row, RowPart::even>(in);
      const Vector<T> odd = bilinear::sum_row<T, M, Row, RowPart::odd>(in);
      out[Row] = even + odd;
      out[Row + 1] = even - odd;
      analyse<T, M, Row + 2>(in, out);
    } else {
      out[Row] = bilinear::sum_row<T, M, Row, RowPart::all>(in);
      analyse<T, M, Row + 1>(in, out);
    }
  }
}

template <class T, const auto& M, int Row = 0>
[[gnu::always_inline]] inline void synthesise_rows_of(const Vector<T>* in, Vector<T>* out) {
  if constexpr (Row < M.rows) {
    out[Row] = bilinear::sum_row<T, M, Row, RowPart::all>(in);
    synthesise_rows_of<T, M, Row + 1>(in, out);
  }
}

/// Overwrites `in`.
template <class T, const auto& M>
[[gnu::always_inline]] inline void synthesise(Vector<T>* in, Vector<T>* out) {
#pragma GCC unroll 16
  for (int k = 0; k < M.columns; ++k) {
    if (!bilinear::butterflied<M>.pair[k]) continue;
    const Vector<T> sum = in[k] + in[k + 1];
    in[k + 1] = in[k] - in[k + 1];
    in[k] = sum;
  }
  synthesise_rows_of<T, bilinear::butterflied_matrix<M>>(in, out);
}

}  // namespace amnet
