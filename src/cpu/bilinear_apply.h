// out = M in, for a small matrix M known to the compiler and vectors of values: straight-line code
// without a multiplication by 0 or 1. The points of bilinear.h come in pairs +p, -p, and so do the
// rows of M (or, transposed, its columns):
//
//   analyse      pairs rows:    even part e and odd part d once, then e + d and e - d
//   synthesise   pairs columns: in_k + in_{k+1} and in_k - in_{k+1} once, then every row uses one of the two
#pragma once

#include "bilinear.h"
#include "vector.h"

#include <utility>

namespace amnet {

/// The part of row `Row` that it shares with the next one, with the same sign (even) or the other
/// (odd).
enum class RowPart : unsigned char { all, even, odd };

namespace bilinear {

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

/// The terms of a row that are not zero.
template <int Columns>
struct RowTerms {
  int count = 0;
  int column[Columns] = {};
  double coefficient[Columns] = {};
};

/// First the terms of coefficient 1 or -1, which need no multiplication, then the others.
template <int Rows, int Columns>
constexpr RowTerms<Columns> terms_of(const CoefficientMatrix<Rows, Columns>& m, int row, RowPart part) {
  RowTerms<Columns> terms;
  for (const bool units : {true, false}) {
    for (int k = 0; k < Columns; ++k) {
      const double c = m.at[row][k];
      const bool belongs = part == RowPart::all || c == (part == RowPart::even ? 1 : -1) * m.at[row + 1][k];
      if (c == 0 || !belongs || (c == 1 || c == -1) != units) continue;
      terms.column[terms.count] = k;
      terms.coefficient[terms.count++] = c;
    }
  }
  return terms;
}

/// `c` is a constant where this is called, so that one of these remains.
template <class T>
[[gnu::always_inline]] inline Vector<T> add_term(Vector<T> sum, Vector<T> in, double c, bool first) {
  if (c == 1) return first ? in : sum + in;
  if (c == -1) return first ? -in : sum - in;
  const Vector<T> product = in * broadcast(static_cast<T>(c));
  return first ? product : sum + product;
}

// A fold: one function for each row, where a recursion over the terms would make thousands.
template <class T, const auto& M, int Row, RowPart part, int... Term>
[[gnu::always_inline]] inline Vector<T> sum_terms(const Vector<T>* in, std::integer_sequence<int, Term...>) {
  constexpr RowTerms<M.columns> terms = terms_of(M, Row, part);
  Vector<T> sum{};
  ((sum = add_term<T>(sum, in[terms.column[Term]], terms.coefficient[Term], Term == 0)), ...);
  return sum;
}

template <class T, const auto& M, int Row, RowPart part>
[[gnu::always_inline]] inline Vector<T> sum_row(const Vector<T>* in) {
  return sum_terms<T, M, Row, part>(in, std::make_integer_sequence<int, terms_of(M, Row, part).count>{});
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
