// The element types a tensor can hold, chosen at run time, and how a kernel gets its C++ type.
//
//   with_float(x.dtype(), "sum", [&]<class T>() {
//     for (const T value : x.data<T>()) sum += static_cast<double>(value);
//   });
#pragma once

#include <amnet/core/error.h>
#include <amnet/core/named.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace amnet {

/// The upper half of a float: its sign and exponent, and 8 significant bits. It is a storage
/// format; nothing is computed in it.
struct BFloat16 {
  std::uint16_t bits;
};

/// f32 is for training, f64 for gradient checks, bf16 for prepared weights, i64 for labels and
/// indices, u8 for pixels and flags.
enum class DType : std::uint8_t { f32, f64, bf16, i64, u8 };
constexpr std::array<std::string_view, 5> names_of(DType) { return {"f32", "f64", "bf16", "i64", "u8"}; }

/// The size of one element in bytes.
constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::f32: return 4;
    case DType::f64:
    case DType::i64: return 8;
    case DType::bf16: return 2;
    case DType::u8: return 1;
  }
  return 0;
}

/// The dtype of values that accompany activations of `dtype` but are at least as exact as f32:
/// parameters, statistics, norms, features, logits.
constexpr DType exact_dtype(DType dtype) { return dtype == DType::bf16 ? DType::f32 : dtype; }

constexpr bool is_floating(DType dtype) { return dtype == DType::f32 || dtype == DType::f64 || dtype == DType::bf16; }

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) {
    return DType::f32;
  } else if constexpr (std::is_same_v<T, double>) {
    return DType::f64;
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    return DType::bf16;
  } else if constexpr (std::is_same_v<T, std::int64_t>) {
    return DType::i64;
  } else {
    static_assert(std::is_same_v<T, std::uint8_t>, "amnet has no dtype for this C++ type");
    return DType::u8;
  }
}

/// Calls `body.operator()<T>()` with T = float or double: a kernel picks its scalar type once, at
/// its beginning. Throws UsageError naming `who` for a dtype that is not floating point.
template <class Body>
void with_float(DType dtype, std::string_view who, Body&& body) {
  if (dtype == DType::f32) {
    body.template operator()<float>();
  } else {
    require(dtype == DType::f64, "[{}] expected a floating-point tensor (f32 or f64) but got {}.", who, name_of(dtype));
    body.template operator()<double>();
  }
}

}  // namespace amnet
