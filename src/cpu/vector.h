// The compiler's vector types: one source for AVX-512, AVX2, SSE2 and NEON, without an intrinsic but for the store that passes the caches.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace amnet {

#if defined(__AVX512F__)
inline constexpr int vector_bytes = 64;
inline constexpr int vector_registers = 32;
#elif defined(__AVX__)
inline constexpr int vector_bytes = 32;
inline constexpr int vector_registers = 16;
#elif defined(__ARM_NEON)
inline constexpr int vector_bytes = 16;
inline constexpr int vector_registers = 32;
#else
inline constexpr int vector_bytes = 16;
inline constexpr int vector_registers = 16;
#endif

template <class T>
struct VectorOf;
template <>
struct VectorOf<float> {
  using type __attribute__((vector_size(vector_bytes))) = float;
};
template <>
struct VectorOf<double> {
  using type __attribute__((vector_size(vector_bytes))) = double;
};
template <class T>
using Vector = typename VectorOf<T>::type;

template <class T>
inline constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));

template <class T>
Vector<T> load(const T* from) {
  Vector<T> vector;
  std::memcpy(&vector, from, sizeof vector);
  return vector;
}
template <class T>
void store(T* to, Vector<T> vector) {
  std::memcpy(to, &vector, sizeof vector);
}
template <class T>
Vector<T> broadcast(T value) {
  return value - Vector<T>{};
}

/// A store that goes past the caches: for whole cache lines of a result that is larger than they are, whose lines a plain store would first
/// read. `to` lies at a multiple of sizeof(Vector<T>). Whoever streams calls stream_fence() before another thread may read.
template <class T>
void stream(T* to, Vector<T> value) {
#if defined(__AVX512F__)
  _mm512_stream_si512(reinterpret_cast<__m512i*>(to), reinterpret_cast<__m512i>(value));
#elif defined(__AVX__)
  _mm256_stream_si256(reinterpret_cast<__m256i*>(to), reinterpret_cast<__m256i>(value));
#elif defined(__SSE2__)
  _mm_stream_si128(reinterpret_cast<__m128i*>(to), reinterpret_cast<__m128i>(value));
#else
  store(to, value);
#endif
}
/// Orders what this thread streamed before what it stores next.
inline void stream_fence() {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace amnet
