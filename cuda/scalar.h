// Activations are f32 or bf16 in memory; kernels compute in float. Neighbouring elements are loaded
// and stored together, 16 bytes per thread.
#pragma once

#include "kernel.h"

#include <amnet/core/dtype.h>
#include <amnet/core/gradient.h>

#include <cstring>

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#endif

namespace amnet {

AMNET_DEVICE float to_float(float value) { return value; }
AMNET_DEVICE float to_float(BFloat16 value) {
  const std::uint32_t bits = std::uint32_t{value.bits} << 16;
  float result;
  memcpy(&result, &bits, sizeof result);
  return result;
}

template <class T>
AMNET_DEVICE T from_float(float value) {
  return value;
}
/// Rounds to nearest, ties to even; a NaN stays a NaN.
template <>
AMNET_DEVICE BFloat16 from_float<BFloat16>(float value) {
#if defined(__CUDACC__)
  return {__bfloat16_as_ushort(__float2bfloat16_rn(value))};
#else
  std::uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if (value != value) return {static_cast<std::uint16_t>(bits >> 16 | 0x40U)};
  return {static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16)};
#endif
}

/// a b, rounded to a float: nvcc does not merge it into a fused multiply-add. For results that must
/// be identical in two kernels.
AMNET_DEVICE float rounded_product(float a, float b) {
#if defined(__CUDACC__)
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}

/// Writes `value` to a gradient: overwrites what is there, or adds to it.
template <class T>
AMNET_DEVICE void put(T& place, float value, Write write) {
  place = from_float<T>(write == Write::add ? to_float(place) + value : value);
}

/// Neighbouring elements that are loaded and stored together, 16 bytes of them by default. They
/// begin at a multiple of their size, or of 16 bytes.
template <class T, int width = 16 / static_cast<int>(sizeof(T))>
struct alignas(width * sizeof(T) < 16 ? width * sizeof(T) : 16) Pack {
  static constexpr int size = width;
  T elements[width];
};
inline bool starts_a_pack(const void* at, int bytes = 16) {
  return reinterpret_cast<std::uintptr_t>(at) % static_cast<std::uintptr_t>(bytes) == 0;
}
template <class T>
AMNET_DEVICE Pack<T> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T>*>(from);
}
template <int width, class T>
AMNET_DEVICE Pack<T, width> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T, width>*>(from);
}
template <class T, int width>
AMNET_DEVICE void store_pack(T* to, const Pack<T, width>& pack) {
  *reinterpret_cast<Pack<T, width>*>(to) = pack;
}

}  // namespace amnet
