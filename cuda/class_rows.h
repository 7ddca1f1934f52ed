// Rows of cosines as the losses over classes read them on a GPU: divided among blocks, four classes
// at a time, of several centres the largest.
#pragma once

#include "elementwise.h"
#include "kernels/margin_row.h"

#include <algorithm>
#include <initializer_list>
#include <limits>

namespace amnet {

/// The cosines of a batch: a class has `centres` columns side by side.
struct ClassRows;

/// How the rows are divided among blocks: a block has `width` classes of one row.
struct RowParts {
  static constexpr int threads = 256;
  static constexpr int group = 4;  // elements that a thread processes at a time
  int width, parts;
  bool packed;  // rows begin at multiples of 16 bytes

  RowParts(Cuda& cuda, const ClassRows& rows, bool whole_rows, std::initializer_list<Tensor> matrices);

  AMNET_DEVICE std::int64_t row_of(std::int64_t block) const { return static_cast<int>(block) / parts; }

  /// Elements that a thread processes together: neighbours where rows are packed, else at a
  /// distance of one block's number of threads.
  struct Group {
    int first, step, end;
    AMNET_DEVICE int at(int e) const { return first + e * step; }
    AMNET_DEVICE bool holds(int e) const { return at(e) < end; }
    /// 0 where the row's part has no element.
    AMNET_DEVICE void load(const float* row, float (&values)[group]) const {
      if (step == 1) {
        const Pack<float> pack = load_pack(row + first);
        for (int e = 0; e < group; ++e) values[e] = pack.elements[e];
      } else {
        for (int e = 0; e < group; ++e) values[e] = holds(e) ? row[at(e)] : 0;
      }
    }
    AMNET_DEVICE void store(float* row, const float (&values)[group], Write write) const {
      if (step == 1) {
        Pack<float> pack{};
        if (write == Write::add) pack = load_pack(row + first);
        for (int e = 0; e < group; ++e) put(pack.elements[e], values[e], write);
        store_pack(row + first, pack);
      } else {
        for (int e = 0; e < group; ++e) {
          if (holds(e)) put(row[at(e)], values[e], write);
        }
      }
    }
  };

  /// Calls body(group) for every group of the block's part that belongs to this thread.
  template <class Body>
  AMNET_DEVICE void for_groups(const Thread& thread, int classes, Body&& body) const {
    const int begin = static_cast<int>(thread.block()) % parts * width;
    const int end = begin + width < classes ? begin + width : classes;
    const int first = begin + thread.index() * (packed ? group : 1);
    for (int i = first; i < end; i += threads * group) body(Group{i, packed ? 1 : threads, end});
  }
};

struct ClassRows {
  const float* cosines;  // (number, classes * centres)
  const std::int64_t* labels;
  std::int64_t number;
  int classes, centres;

  ClassRows(const Tensor& matrix, const Tensor& of_labels, std::int64_t of_centres, std::string_view who)
      : cosines(elements<const float>(matrix, who)),
        labels(elements<const std::int64_t>(of_labels, who)),
        number(matrix.extent(0)),
        classes(static_cast<int>(matrix.extent(1) / of_centres)),
        centres(static_cast<int>(of_centres)) {
    require(matrix.extent(1) <= std::numeric_limits<int>::max() / 2, "[{}] expected fewer than 2^30 columns but got {}.", who,
            matrix.extent(1));
  }

  AMNET_DEVICE const float* row(std::int64_t i) const { return cosines + i * classes * centres; }
  /// -1 for a label that is not a class.
  AMNET_DEVICE int label_of(std::int64_t i) const {
    const std::int64_t label = labels[i];
    return label >= 0 && label < classes ? static_cast<int>(label) : -1;
  }
  AMNET_DEVICE int best_centre(const float* of_class) const {
    int best = 0;
    for (int k = 1; k < centres; ++k) best = of_class[k] > of_class[best] ? k : best;
    return best;
  }
  /// That of a label that is a class.
  AMNET_DEVICE float target_cosine(std::int64_t i) const {
    const float* const of_class = row(i) + std::int64_t{label_of(i)} * centres;
    return of_class[best_centre(of_class)];
  }
  /// One cosine for each class of the group.
  AMNET_DEVICE void load(std::int64_t i, const RowParts::Group& group, float (&values)[RowParts::group]) const {
    if (centres == 1) {
      group.load(row(i), values);
      return;
    }
    for (int e = 0; e < RowParts::group; ++e) {
      const float* const of_class = row(i) + std::int64_t{group.at(e)} * centres;
      values[e] = group.holds(e) ? of_class[best_centre(of_class)] : 0;
    }
  }
  /// Writes each class's value to its largest centre of `to` (number, classes * centres), and 0 to
  /// its others. `to` may be the cosines.
  AMNET_DEVICE void store(std::int64_t i, const RowParts::Group& group, const float (&values)[RowParts::group], float* to,
                          Write write) const {
    float* const out = to + i * classes * centres;
    if (centres == 1) {
      group.store(out, values, write);
      return;
    }
    for (int e = 0; e < RowParts::group; ++e) {
      if (!group.holds(e)) continue;
      const std::int64_t begin = std::int64_t{group.at(e)} * centres;
      const int best = best_centre(row(i) + begin);
      for (int k = 0; k < centres; ++k) put(out[begin + k], k == best ? values[e] : 0, write);
    }
  }
};

inline RowParts::RowParts(Cuda& cuda, const ClassRows& rows, bool whole_rows, std::initializer_list<Tensor> matrices) {
  const std::int64_t classes = rows.classes;
  const std::int64_t wanted = std::int64_t{cuda.state().multiprocessors} * (2048 / threads) / std::max<std::int64_t>(1, rows.number);
  const std::int64_t most = whole_rows ? 1 : std::max<std::int64_t>(1, classes / (2 * threads * group));
  const std::int64_t about = std::clamp<std::int64_t>(wanted, 1, most);
  const std::int64_t of_part = ((classes + about - 1) / about + group - 1) / group * group;
  width = static_cast<int>(std::max<std::int64_t>(of_part, group));
  parts = static_cast<int>(std::max<std::int64_t>(1, (classes + width - 1) / width));
  packed = classes % group == 0 && std::ranges::all_of(matrices, [](const Tensor& matrix) { return starts_a_pack(matrix); });
}

inline MarginRow<float>* margin_rows_of(const Tensor& row_values, std::string_view who) {
  return reinterpret_cast<MarginRow<float>*>(elements<float>(row_values, who));
}

}  // namespace amnet
