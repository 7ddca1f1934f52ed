// The compiler's vector types: one source for AVX-512, AVX2, SSE2 and NEON, without an intrinsic.
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

}  // namespace amnet
