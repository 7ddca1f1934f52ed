// Work on the rows of a matrix (rows, columns), one after the other in memory: a short row is
// processed by a warp, a long one by a block, and sums over it have an order that depends only on
// its length. A second read of a row comes from the caches.
//
//   struct Lengths {
//     const float* x;
//     float* lengths;
//     std::int64_t columns;
//     bool packed;
//     template <class Team>
//     AMNET_DEVICE void operator()(const Team& team, std::int64_t row) const {
//       float sum = 0;
//       team.template each<4>(columns, packed, [&]<int width>(Width<width>, std::int64_t i) {
//         float values[width];
//         load_floats(x + row * columns + i, values);
//         for (const float value : values) sum += value * value;
//       });
//       sum = team.sum(sum);
//       if (team.lane() == 0) lengths[row] = sqrtf(sum);
//     }
//   };
//   for_rows(cuda, rows, columns, Lengths{...});
#pragma once

#include "elementwise.h"

#include <cmath>
#include <initializer_list>

namespace amnet {

/// How many neighbouring elements a loop's body takes at a time.
template <int count>
struct Width {};

/// Neighbouring elements as floats; two or more begin at a multiple of 16 bytes.
template <int width, class T>
AMNET_DEVICE void load_floats(const T* from, float (&values)[width]) {
  if constexpr (width == 1) {
    values[0] = to_float(*from);
  } else {
    static_assert(width % Pack<T>::size == 0);
    for (int begin = 0; begin < width; begin += Pack<T>::size) {
      const Pack<T> pack = load_pack(from + begin);
      for (int e = 0; e < Pack<T>::size; ++e) values[begin + e] = to_float(pack.elements[e]);
    }
  }
}
template <int width, class T>
AMNET_DEVICE void store_floats(T* to, const float (&values)[width], Write write) {
  if constexpr (width == 1) {
    put(*to, values[0], write);
  } else {
    static_assert(width % Pack<T>::size == 0);
    for (int begin = 0; begin < width; begin += Pack<T>::size) {
      Pack<T> pack{};
      if (write == Write::add) pack = load_pack(to + begin);
      for (int e = 0; e < Pack<T>::size; ++e) put(pack.elements[e], values[begin + e], write);
      store_pack(to + begin, pack);
    }
  }
}

/// The threads that process one row: a warp, or a block of `size`.
template <int size>
class Team {
 public:
  static constexpr int threads_of_block = size == warp_size ? 128 : size;

  AMNET_DEVICE Team(const Thread& thread, float* room) : thread_(thread), room_(room) {}

  /// In [0, size).
  AMNET_DEVICE int lane() const { return thread_.index() % size; }
  /// The sum over the team, in every thread; to be called once for a row.
  AMNET_DEVICE float sum(float value) const {
    if constexpr (size == warp_size) {
      return warp_sum(thread_, value);
    } else {
      return block_sum(thread_, value, room_);
    }
  }
  /// Calls body(Width<n>, i) for each n columns starting at i that belong to this thread: n = width
  /// where rows are packed, else 1.
  template <int width, class Body>
  AMNET_DEVICE void each(std::int64_t columns, bool packed, Body&& body) const {
    if (packed) {
      for (std::int64_t i = lane() * width; i < columns; i += size * width) body(Width<width>{}, i);
    } else {
      for (std::int64_t i = lane(); i < columns; i += size) body(Width<1>{}, i);
    }
  }

 private:
  const Thread& thread_;
  float* room_;
};

template <int size, class Body>
struct RowKernel {
  static constexpr int threads = Team<size>::threads_of_block;
  struct Shared {
    float sums[threads / warp_size];
  };
  Body body;
  std::int64_t rows;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    const std::int64_t row = thread.first() / size;
    if (row < rows) body(Team<size>(thread, thread.shared<Shared>().sums), row);
  }
};

/// Calls body(team, row) for every row.
template <class Body>
void for_rows(Cuda& cuda, std::int64_t rows, std::int64_t columns, const Body& body,
              std::source_location where = std::source_location::current()) {
  constexpr std::int64_t longest_of_a_warp = 1024;
  constexpr int block = 256;
  if (columns > longest_of_a_warp) {
    launch(cuda, rows, RowKernel<block, Body>{body, rows}, where);
  } else {
    constexpr int rows_of_block = Team<warp_size>::threads_of_block / warp_size;
    launch(cuda, (rows + rows_of_block - 1) / rows_of_block, RowKernel<warp_size, Body>{body, rows}, where);
  }
}

/// The number of rows of C elements in a tensor (..., C).
inline std::int64_t rows_of(const Tensor& x) { return x.count() / std::max<std::int64_t>(1, channels_of(x)); }

/// Whether the rows of all tensors begin at multiples of 16 bytes and consist of whole packs of
/// `width` elements; undefined tensors are ignored.
inline bool rows_are_packed(std::int64_t columns, int width, std::initializer_list<Tensor> tensors) {
  return columns % width == 0 && std::ranges::all_of(tensors, [](const Tensor& tensor) { return starts_a_pack(tensor); });
}

}  // namespace amnet
