// The compiler's vector types: one source for AVX-512, AVX2, SSE2 and NEON. Only what they cannot
// say is a builtin function: <immintrin.h> takes 70 MB of the memory in which the single header
// compiles.
#pragma once

#include <cstdint>
#include <cstring>

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

/// Elements of a cache line.
template <class T>
inline constexpr int line_elements = 64 / static_cast<int>(sizeof(T));

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

/// Stores past the caches, for data that is not read soon (sums that a backward pass will need,
/// large transformed weights and weight gradients): the line is not read first, and nothing else is
/// evicted from the cache. Two AVX-512 cores store 48 GB/s this way, and 18 otherwise. `to` is
/// aligned as a vector is; a stream_fence() is needed before another thread may read it.
template <class T>
void stream(T* to, Vector<T> vector) {
#if !defined(__SSE2__)
  store(to, vector);
#elif __has_builtin(__builtin_nontemporal_store)
  __builtin_nontemporal_store(vector, reinterpret_cast<Vector<T>*>(to));
#else
  using Words __attribute__((vector_size(vector_bytes))) = long long;
  const auto words = reinterpret_cast<Words>(vector);
#if defined(__AVX512F__)
  __builtin_ia32_movntdq512(reinterpret_cast<Words*>(to), words);
#elif defined(__AVX__)
  __builtin_ia32_movntdq256(reinterpret_cast<Words*>(to), words);
#else
  __builtin_ia32_movntdq(reinterpret_cast<Words*>(to), words);
#endif
#endif
}
/// Makes what this thread streamed visible to others before its next stores.
inline void stream_fence() {
#if defined(__SSE2__)
  __builtin_ia32_sfence();
#endif
}

}  // namespace amnet
