// exp(x) for a vector of x <= 0, as a softmax needs it: 2^n times a polynomial in the remainder r =
// x - n ln 2, |r| <= ln 2 / 2. At most 2 units in the last place from the exact value
// (tests/kernels/softmax_cross_entropy_test.cpp); exactly 1 at 0; 0 where the exact value is below
// 0.7 of the smallest normal number; NaN for NaN.
#pragma once

#include "matrix_product.h"

#include <array>
#include <cmath>
#include <utility>

namespace amnet {

/// 1/0!, 1/1! ... : the Taylor series.
template <class T, std::size_t Terms>
constexpr std::array<T, Terms> inverse_factorials() {
  std::array<T, Terms> terms{};
  double value = 1;
  for (std::size_t k = 0; k < Terms; ++k) {
    terms[k] = static_cast<T>(value);
    value /= static_cast<double>(k + 1);
  }
  return terms;
}

template <class T>
struct ExponentialConstants;
template <>
struct ExponentialConstants<float> {
  static constexpr int mantissa_bits = 23, bias = 127;
  static constexpr float ln2_high = 0x1.62e4p-1F, ln2_low = 0x1.7f7d1cp-20F;  // n * high is exact
  // Minimises the largest relative error on the interval for 1 + r q(r), by weighted least squares
  // at Chebyshev points: 2e-8 after rounding. The Taylor series needs one more term for the same
  // error.
  static constexpr std::array<float, 7> terms = {1, 1, 0x1.fffffcp-2F, 0x1.55541ap-3F, 0x1.55582ep-5F, 0x1.12677ep-7F, 0x1.6adf6ep-10F};
};
template <>
struct ExponentialConstants<double> {
  static constexpr int mantissa_bits = 52, bias = 1023;
  static constexpr double ln2_high = 0x1.62e42fefp-1, ln2_low = 0x1.473de6af278edp-34;
  static constexpr std::array<double, 14> terms = inverse_factorials<double, 14>();
};

template <class T>
Vector<T> exponential(Vector<T> x) {
  using Constants = ExponentialConstants<T>;
  using Integers = decltype(x < x);  // as wide as T
  // Adding 1.5 * 2^mantissa_bits rounds to a whole number, which is then in the lowest bits.
  constexpr T shift = T{3} * static_cast<T>(std::int64_t{1} << (Constants::mantissa_bits - 1));
  constexpr int degree = static_cast<int>(Constants::terms.size()) - 1;
  constexpr T inverse_ln2 = static_cast<T>(1.4426950408889634074);
  // n is -bias there, and 2^n becomes 0
  const Vector<T> lowest = broadcast(static_cast<T>(-Constants::bias / 1.4426950408889634074));
  x = lowest > x ? lowest : x;
  const Vector<T> shifted = x * inverse_ln2 + shift;
  const Vector<T> n = shifted - shift;
  const Vector<T> r = (x - n * Constants::ln2_high) - n * Constants::ln2_low;
  Vector<T> sum = broadcast(Constants::terms.back());
#pragma GCC unroll 16
  for (int k = degree - 1; k >= 0; --k) sum = sum * r + Constants::terms[static_cast<std::size_t>(k)];
  Integers bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  // 2^n; the bits above n are shifted out
  bits = (bits + Constants::bias) << Constants::mantissa_bits;
  Vector<T> power;
  std::memcpy(&power, &bits, sizeof power);
  return sum * power;
}

}  // namespace amnet
