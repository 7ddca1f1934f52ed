// Sums over one row and loops over elements, written so that the compiler vectorises them. The
// order of a sum depends on the number of terms alone: not on the address, so that a row gives the
// same bits wherever the net's plan puts it.
#pragma once

#include "parallel.h"

#include <limits>
#include <span>
#include <vector>

namespace amnet {

/// The sum of term(i) for i in [0, count): two cache lines of partial sums, then a binary tree over
/// them.
template <class T, class Term>
T lane_sum(std::int64_t count, Term&& term) {
  constexpr int lanes = 128 / sizeof(T);
  T partial[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (int lane = 0; lane < lanes; ++lane) partial[lane] += term(i + lane);
  }
  for (int lane = 0; i < count; ++i, ++lane) partial[lane] += term(i);
  for (int width = lanes / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) partial[lane] += partial[lane + width];
  }
  return partial[0];
}

/// The largest of the values; minus infinity for none. A NaN is ignored.
template <class T>
T lane_max(const T* values, std::int64_t count) {
  constexpr int lanes = 256 / sizeof(T);
  T largest[lanes];
  std::fill_n(largest, lanes, -std::numeric_limits<T>::infinity());
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (int lane = 0; lane < lanes; ++lane) largest[lane] = values[i + lane] > largest[lane] ? values[i + lane] : largest[lane];
  }
  for (int lane = 0; i < count; ++i, ++lane) largest[lane] = values[i] > largest[lane] ? values[i] : largest[lane];
  return *std::max_element(largest, largest + lanes);
}

/// Calls body(i) for every element i in [0, count), on several threads. The body writes only what
/// belongs to i. Capture numbers by value: the compiler must assume that a store changes a number
/// behind a reference, and stops vectorising.
template <class Body>
void for_elements(const Cpu& cpu, std::int64_t count, Body&& body) {
  const std::int64_t pieces = pieces_of(count, 1);
  parallel_for(cpu, pieces, [&](std::int64_t piece, int) {
    const auto own = body;
    const auto [begin, end] = piece_rows(count, pieces, piece);
    for (std::int64_t i = begin; i < end; ++i) own(i);
  });
}

/// Calls body(row) for every row of `columns` elements, on several threads. The body writes only
/// what belongs to its row.
template <class Body>
void for_rows(const Cpu& cpu, std::int64_t rows, std::int64_t columns, Body&& body) {
  const std::int64_t pieces = pieces_of(rows, columns);
  parallel_for(cpu, pieces, [&](std::int64_t piece, int) {
    const auto own = body;
    const auto [begin, end] = piece_rows(rows, pieces, piece);
    for (std::int64_t row = begin; row < end; ++row) own(row);
  });
}

/// The last dimension of a tensor, and how many rows of it there are.
struct Matrix {
  std::int64_t rows, columns;
};
inline Matrix matrix_of(const Tensor& tensor) {
  const std::int64_t columns = tensor.rank() == 0 ? 1 : tensor.extent(tensor.rank() - 1);
  return {columns == 0 ? 0 : tensor.count() / columns, columns};
}

/// A run is a number of whole rows, about 512 elements: with few channels, a loop over one row is
/// too short to vectorise well. PReLUs that processed 16 channels at a time took half of a training
/// step (width 0.25, one thread: 56 images/s, and 118 by runs, measured together on a busy
/// machine).
inline std::int64_t run_of(std::int64_t columns) { return columns * std::max<std::int64_t>(1, 512 / std::max<std::int64_t>(1, columns)); }

/// The values of each column (or the one value of all), repeated over a run.
template <class T>
std::vector<T> over_a_run(std::span<const T> values, std::int64_t columns) {
  std::vector<T> repeated(static_cast<std::size_t>(run_of(columns)));
  for (std::size_t i = 0; i < repeated.size(); ++i) repeated[i] = values[i % values.size()];
  return repeated;
}

/// Calls body(first element, elements) for every run, on several threads.
template <class Body>
void for_runs(const Cpu& cpu, std::int64_t rows, std::int64_t columns, Body&& body) {
  const std::int64_t run = run_of(columns);
  const std::int64_t pieces = pieces_of(rows, columns);
  parallel_for(cpu, pieces, [&](std::int64_t piece, int) {
    const auto range = piece_rows(rows, pieces, piece);
    const std::int64_t end = range.end * columns;
    for (std::int64_t begin = range.begin * columns; begin < end; begin += run) body(begin, std::min(run, end - begin));
  });
}

/// out[c] (+)= a sum over the rows of column c: add(first element, elements, partial) adds a run's
/// terms, one by one, to `partial`.
template <class T, class Add>
void sum_over_runs(Cpu& cpu, std::int64_t rows, std::int64_t columns, T* out, Write write, Add&& add) {
  const std::int64_t run = run_of(columns);
  sum_over_rows<T>(cpu, rows, columns, out, write, [&](Rows range, T* partial) {
    std::vector<T> lanes(static_cast<std::size_t>(run));
    const std::int64_t end = range.end * columns;
    for (std::int64_t begin = range.begin * columns; begin < end; begin += run) add(begin, std::min(run, end - begin), lanes.data());
    for (std::int64_t i = 0; i < run; i += columns) {
      for (std::int64_t c = 0; c < columns; ++c) partial[c] += lanes[static_cast<std::size_t>(i + c)];
    }
  });
}

}  // namespace amnet
