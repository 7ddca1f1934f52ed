// exp(x) for a vector of x <= 0, as a softmax needs it: 2^n times a polynomial in the rest r = x - n ln 2, |r| <= ln 2 / 2, the Taylor
// series. At most 2 units in the last place from the exact value (tests/kernels/softmax_cross_entropy_test.cpp); 0 where exp(x) has no
// normal number, NaN for NaN.
#pragma once

#include "matrix_product.h"

#include <cmath>
#include <utility>

namespace amnet {

template <class T>
struct ExponentialConstants;
template <>
struct ExponentialConstants<float> {
  static constexpr int degree = 7, mantissa_bits = 23, bias = 127;
  static constexpr float lowest = -87.33654F;                                 // ln of the smallest normal number
  static constexpr float ln2_high = 0x1.62e4p-1F, ln2_low = 0x1.7f7d1cp-20F;  // n * high is exact
};
template <>
struct ExponentialConstants<double> {
  static constexpr int degree = 13, mantissa_bits = 52, bias = 1023;
  static constexpr double lowest = -708.3964185322641;
  static constexpr double ln2_high = 0x1.62e42fefp-1, ln2_low = 0x1.473de6af278edp-34;
};

/// 1/1!, 1/2! ... in T.
template <class T>
constexpr T inverse_factorial(int n) {
  double value = 1;
  for (int k = 2; k <= n; ++k) value *= k;
  return static_cast<T>(1 / value);
}

template <class T>
Vector<T> exponential(Vector<T> x) {
  using Constants = ExponentialConstants<T>;
  using Integers = decltype(x < x);  // as wide as T
  // Adding 1.5 * 2^mantissa_bits rounds to a whole number, which then stands in the lowest bits.
  constexpr T shift = T{3} * static_cast<T>(std::int64_t{1} << (Constants::mantissa_bits - 1));
  constexpr T inverse_ln2 = static_cast<T>(1.4426950408889634074);
  const Vector<T> shifted = x * inverse_ln2 + shift;
  const Vector<T> n = shifted - shift;
  const Vector<T> r = (x - n * Constants::ln2_high) - n * Constants::ln2_low;
  Vector<T> sum = broadcast(inverse_factorial<T>(Constants::degree));
#pragma GCC unroll 16
  for (int k = Constants::degree - 1; k >= 0; --k) sum = sum * r + inverse_factorial<T>(k);
  Integers bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + Constants::bias) << Constants::mantissa_bits;  // 2^n; what stands above n is shifted out
  Vector<T> power;
  std::memcpy(&power, &bits, sizeof power);
  const Vector<T> value = sum * power;
  return x < Constants::lowest ? Vector<T>{} : value;
}

}  // namespace amnet
