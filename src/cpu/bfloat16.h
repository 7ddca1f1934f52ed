// The factors of matrix products, for sums of type T: values of T itself or, where sums are f32,
// bf16. One lane of a vector then multiplies two channels in a step, and Vector<BFloat16> has both
// beside each other: bits 0 to 15 are the first of them.
//
// bf16 is a type of factor on a CPU, not of tensors: the products between the transforms of a tile
// use it, in a forward pass; every other kernel and all of training use f32.
//
// Rounding is to nearest even; the processor's conversion and product both treat values below
// 2^-126 as zero.
#pragma once

#include "vector.h"

#include <amnet/core/dtype.h>

#include <type_traits>

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace amnet {

template <>
struct VectorOf<BFloat16> {
  using type __attribute__((vector_size(vector_bytes))) = std::int32_t;
};

/// Channels that a lane multiplies in one step.
template <class T, class Factor>
inline constexpr int factors_per_lane = lanes<Factor> / lanes<T>;

#if defined(__AVX512BF16__)
inline constexpr bool bf16_products = true;

inline Vector<BFloat16> broadcast_factors(const BFloat16* from) {
  std::int32_t pair = 0;
  std::memcpy(&pair, from, sizeof pair);
  return pair - Vector<BFloat16>{};
}
[[gnu::always_inline]] inline Vector<float> add_product(Vector<float> sum, Vector<BFloat16> a, Vector<BFloat16> b) {
  return reinterpret_cast<Vector<float>>(
      _mm512_dpbf16_ps(reinterpret_cast<__m512>(sum), reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b)));
}
inline void store_factors(BFloat16* to, Vector<float> values) {
  const __m256bh rounded = _mm512_cvtneps_pbh(reinterpret_cast<__m512>(values));
  std::memcpy(to, &rounded, sizeof rounded);
}
inline Vector<BFloat16> pair_factors(Vector<float> first, Vector<float> second) {
  const auto rounded = [](Vector<float> values) {
    const __m256bh half = _mm512_cvtneps_pbh(reinterpret_cast<__m512>(values));
    return reinterpret_cast<Vector<BFloat16>>(_mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(half)));
  };
  return rounded(first) | rounded(second) << 16;
}
#else
inline constexpr bool bf16_products = false;
#endif

/// The factors of one step, in every lane.
template <class T>
Vector<T> broadcast_factors(const T* from) {
  return broadcast(*from);
}
template <class V>
[[gnu::always_inline]] inline V add_product(V sum, V a, V b) {
  return sum + a * b;
}
template <class T>
void store_factors(T* to, Vector<T> values) {
  store(to, values);
}
/// One row of factors for each lane's step, from as many rows of channels, `row_stride` apart.
template <class Factor, class T>
Vector<Factor> load_factors(const T* rows, std::int64_t row_stride) {
  if constexpr (std::is_same_v<Factor, T>) {
    return load(rows);
  } else {
    return pair_factors(load(rows), load(rows + row_stride));
  }
}

}  // namespace amnet
