// What follows a convolution's sums before they are stored: y = residual + prelu(sums + bias),
// where the sums begin with what y holds if they are to be added: a direct convolution sums its
// channels block by block.
#pragma once

#include "vector.h"

#include <amnet/core/gradient.h>

namespace amnet {

/// Pointers are null where a part is left out. residual, sums and y have one layout; bias and slope
/// have one value per channel.
template <class T>
struct Epilogue {
  const T* bias = nullptr;
  const T* slope = nullptr;
  const T* residual = nullptr;
  T* sums = nullptr;  // where to keep sums + bias
  T* y = nullptr;
  Write write = Write::assign;
  // past the caches: needs vectors that are aligned, and a stream_fence() at the end
  bool stream_sums = false;

  /// The same from channel `c` on.
  Epilogue from_channel(std::int64_t c) const {
    const auto moved = [c](auto* pointer) { return pointer == nullptr ? nullptr : pointer + c; };
    return {moved(bias), moved(slope), moved(residual), moved(sums), y + c, write, stream_sums};
  }

  /// The channels [c, c + lanes) of one pixel, whose first channel is at offset `at`.
  [[gnu::always_inline]] void put(Vector<T> value, std::int64_t at, std::int64_t c) const {
    if (write == Write::add) value += load(y + at + c);
    finish(value, residual != nullptr ? load(residual + at + c) : Vector<T>{}, at, c);
  }
  /// What is added to the sums, for code that prefetches it: the residual, or y; not both.
  const T* addends() const { return residual != nullptr ? residual : write == Write::add ? y : nullptr; }
  [[gnu::always_inline]] void put(Vector<T> value, Vector<T> addend, std::int64_t at, std::int64_t c) const {
    if (residual == nullptr) value += addend;
    finish(value, addend, at, c);
  }
  /// One channel.
  void put_one(T value, std::int64_t at, std::int64_t c) const {
    if (write == Write::add) value += y[at + c];
    if (bias != nullptr) value += bias[c];
    if (sums != nullptr) sums[at + c] = value;
    if (slope != nullptr) value = value > 0 ? value : value * slope[c];
    if (residual != nullptr) value += residual[at + c];
    y[at + c] = value;
  }

 private:
  [[gnu::always_inline]] void finish(Vector<T> value, Vector<T> added, std::int64_t at, std::int64_t c) const {
    if (bias != nullptr) value += load(bias + c);
    if (sums != nullptr) stream_sums ? stream(sums + at + c, value) : store(sums + at + c, value);
    if (slope != nullptr) value = value > 0 ? value : value * load(slope + c);
    if (residual != nullptr) value += added;
    store(y + at + c, value);
  }
};

}  // namespace amnet
