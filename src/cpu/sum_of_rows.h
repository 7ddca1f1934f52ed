// One number from a batch: a term for each row, computed on several threads, and their sum in the
// order of the rows.
#pragma once

#include "lanes.h"

#include <numeric>
#include <vector>

namespace amnet {

/// The sum of term(row) for `rows` rows of `columns` elements, in double.
template <class Term>
double sum_of_rows(const Cpu& cpu, std::int64_t rows, std::int64_t columns, Term&& term) {
  std::vector<double> terms(static_cast<std::size_t>(rows));
  for_rows(cpu, rows, columns, [&](std::int64_t row) { terms[static_cast<std::size_t>(row)] = term(row); });
  return std::accumulate(terms.begin(), terms.end(), 0.0);
}

}  // namespace amnet
