// Rows of cosines as the losses over classes read them, one block after the other: with the margin
// applied and multiplied by the scale, of several centres the largest.
#pragma once

#include <amnet/kernels/margin.h>
#include <amnet/kernels/softmax_cross_entropy.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

#include "exponential.h"
#include "kernels/arguments.h"
#include "kernels/margin_row.h"
#include "lanes.h"

namespace amnet {

/// A row is processed in the first-level cache one block at a time: z, its exponentials and its
/// gradient are never stored as a whole row.
inline constexpr std::int64_t block_size = 1024;

template <class T>
struct Block {
  std::int64_t begin, length;
  const T* cosines;  // the block's, one for each class
  const T* next;     // those after them in memory; the last block's own
  alignas(64) T values[block_size];
  alignas(64) T largest[block_size];  // of the centres, where a class has several

  /// Loops take two vectors at a time, so that one does not wait for the other; the last two are
  /// padded.
  static constexpr int vectors = 2;
  static constexpr std::int64_t group = vectors * lanes<T>;
  std::int64_t filled() const { return (length + group - 1) / group * group; }
};

/// Calls body(v, values) for each vector of a block, the v-th of its group, and prefetches the next
/// block, so that loads overlap the computation.
template <class T, class Body>
void for_vectors(Block<T>& block, Body&& body) {
  for (std::int64_t i = 0; i < block.filled(); i += block.group) {
#pragma GCC unroll 2
    for (int v = 0; v < block.vectors; ++v) {
      const std::int64_t at = i + v * lanes<T>;
      __builtin_prefetch(block.next + at);
      body(v, block.values + at);
    }
  }
}

/// All lanes of a vector put together by a binary tree: a chain over lanes * 4 values took a fifth
/// of a block's time.
template <class T, class Join>
T over_lanes(Vector<T> vector, Join&& join) {
  T values[lanes<T>];
  store(values, vector);
  for (int width = lanes<T> / 2; width > 0; width /= 2) {
    for (int lane = 0; lane < width; ++lane) values[lane] = join(values[lane], values[lane + width]);
  }
  return values[0];
}

/// The cosines of one sample, and its target.
template <class T>
class ClassRow {
 public:
  ClassRow(const T* cosines, std::int64_t classes, std::int64_t centres, std::int64_t label)
      : cosines_(cosines), classes_(classes), centres_(centres), label_(label) {}

  /// The largest of the class's centres.
  T cosine_of(std::int64_t of_class) const { return cosines_[of_class * centres_ + best_centre(of_class)]; }
  T target_cosine() const { return cosine_of(label_); }

  /// The label's place among the block's values, else nullptr.
  T* target_in(Block<T>& block) const {
    return label_ >= block.begin && label_ < block.begin + block.length ? block.values + (label_ - block.begin) : nullptr;
  }

  /// Calls body(block) for each block, whose values are value(cosine), and `target` for the label;
  /// its last vectors are padded with minus infinity.
  template <class Value, class Body>
  void for_blocks(const Value& value, T target, Body&& body) const {
    Block<T> block;
    const Value own = value;  // no store to the block can change it
    for (block.begin = 0; block.begin < classes_; block.begin += block_size) {
      block.length = std::min(block_size, classes_ - block.begin);
      const T* const from = cosines_ + block.begin * centres_;
      block.next = block.begin + block_size < classes_ ? from + block_size * centres_ : from;
      if (centres_ > 1) {
        for (std::int64_t i = 0; i < block.length; ++i) block.largest[i] = cosine_of(block.begin + i);
        block.cosines = block.largest;
      } else {
        block.cosines = from;
      }
      for (std::int64_t i = 0; i < block.length; ++i) block.values[i] = own(block.cosines[i]);
      std::fill(block.values + block.length, block.values + block.filled(), -std::numeric_limits<T>::infinity());
      if (T* const label = target_in(block)) *label = target;
      body(block);
    }
  }

  /// Writes factor * value of each of the block's classes to the gradients of its columns: to that
  /// of the largest of its centres, and 0 to the others. They may be written over the cosines.
  void put_gradients(const Block<T>& block, T factor, T* row, Write write) const {
    T* const to = row + block.begin * centres_;
    if (centres_ > 1) {
      for (std::int64_t j = 0; j < block.length; ++j) {
        const std::int64_t best = best_centre(block.begin + j);
        for (std::int64_t k = 0; k < centres_; ++k) put(to[j * centres_ + k], k == best ? factor * block.values[j] : T{0}, write);
      }
    } else if (write == Write::add) {
      for (std::int64_t j = 0; j < block.length; ++j) to[j] += factor * block.values[j];
    } else {
      for (std::int64_t j = 0; j < block.length; ++j) to[j] = factor * block.values[j];
    }
  }

 private:
  std::int64_t best_centre(std::int64_t of_class) const {
    const T* const centres = cosines_ + of_class * centres_;
    std::int64_t best = 0;
    for (std::int64_t k = 1; k < centres_; ++k) best = centres[k] > centres[best] ? k : best;
    return best;
  }

  const T* cosines_;
  std::int64_t classes_, centres_, label_;
};

/// A batch of them.
template <class T>
struct ClassRows {
  const T* cosines;
  const std::int64_t* labels;
  std::int64_t rows, classes, centres;

  ClassRows(const Tensor& matrix, const Tensor& of_labels, std::int64_t of_centres)
      : cosines(matrix.data<T>().data()),
        labels(of_labels.data<std::int64_t>().data()),
        rows(matrix.extent(0)),
        classes(matrix.extent(1) / of_centres),
        centres(of_centres) {}

  std::int64_t columns() const { return classes * centres; }
  ClassRow<T> row(std::int64_t i) const { return {cosines + i * columns(), classes, centres, labels[i]}; }
};

template <class T>
MarginRow<T>* margin_rows_of(const Tensor& row_values) {
  return reinterpret_cast<MarginRow<T>*>(row_values.data<T>().data());
}

}  // namespace amnet
