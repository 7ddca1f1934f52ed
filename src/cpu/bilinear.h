// Short convolutions with few multiplications, generated from their points. A one-dimensional
// algorithm computes `outputs` sums of 3 taps from `inputs` values with `products` multiplications:
//
//   out = output [ (kernel g) * (input x) ]          (* is element by element)
//
// Cook and Toom's construction: the polynomials of x and g are evaluated at points, multiplied
// there, and interpolated (Winograd, "Arithmetic Complexity of Computations", 1980; applied to
// networks by Lavin and Gray, arXiv 1509.09308, which calls the matrices A^T, G and B^T). The
// transposed form gives the gradient of the kernel:
//
//   dg = kernel^T [ (output^T dout) * (input x) ]
//
// Matrices are exact rationals until the end. The choice of points determines the rounding error of
// an algorithm: docs/numerics.md.
#pragma once

#include <cstdint>
#include <numeric>

namespace amnet {

struct Rational {
  std::int64_t numerator, denominator;

  constexpr Rational() : Rational(0) {}
  constexpr Rational(std::int64_t n, std::int64_t d = 1) : numerator(n / divisor(n, d)), denominator(d / divisor(n, d)) {}
  friend constexpr Rational operator*(Rational a, Rational b) { return {a.numerator * b.numerator, a.denominator * b.denominator}; }
  friend constexpr Rational operator/(Rational a, Rational b) { return {a.numerator * b.denominator, a.denominator * b.numerator}; }
  friend constexpr Rational operator-(Rational a, Rational b) {
    return {a.numerator * b.denominator - b.numerator * a.denominator, a.denominator * b.denominator};
  }
  constexpr double value() const { return static_cast<double>(numerator) / static_cast<double>(denominator); }

 private:
  static constexpr std::int64_t divisor(std::int64_t n, std::int64_t d) { return std::gcd(n, d) * (d < 0 ? -1 : 1); }
};

/// A matrix as the kernels use it: the exact numbers, rounded once.
template <int Rows, int Columns>
struct CoefficientMatrix {
  static constexpr int rows = Rows, columns = Columns;
  double at[Rows][Columns] = {};

  constexpr CoefficientMatrix<Columns, Rows> transposed() const {
    CoefficientMatrix<Columns, Rows> result;
    for (int i = 0; i < Rows; ++i) {
      for (int j = 0; j < Columns; ++j) result.at[j][i] = at[i][j];
    }
    return result;
  }
};

template <int Rows, int Columns>
struct RationalMatrix {
  Rational at[Rows][Columns] = {};

  constexpr CoefficientMatrix<Rows, Columns> rounded() const {
    CoefficientMatrix<Rows, Columns> result;
    for (int i = 0; i < Rows; ++i) {
      for (int j = 0; j < Columns; ++j) result.at[i][j] = at[i][j].value();
    }
    return result;
  }
};

template <int Outputs, int Inputs, int Products, int Taps = 3>
struct BilinearAlgorithm {
  RationalMatrix<Products, Inputs> input;    // B^T
  RationalMatrix<Products, Taps> kernel;     // G
  RationalMatrix<Outputs, Products> output;  // A^T
};

/// F(Outputs, Taps) over the given points and infinity: out_i = the sum over t of g_t x_{i+t}.
template <int Outputs, int Taps>
constexpr BilinearAlgorithm<Outputs, Outputs + Taps - 1, Outputs + Taps - 1, Taps> cook_toom(const Rational (&points)[Outputs + Taps - 2]) {
  constexpr int finite = Outputs + Taps - 2;
  BilinearAlgorithm<Outputs, finite + 1, finite + 1, Taps> result;
  // The coefficients of the product of (x - point) over all points but `left_out`.
  const auto polynomial = [&](int left_out, Rational(&coefficients)[finite + 1]) {
    coefficients[0] = 1;
    int degree = 0;
    for (int k = 0; k < finite; ++k) {
      if (k == left_out) continue;
      ++degree;
      for (int i = degree; i >= 0; --i) {
        coefficients[i] = (i > 0 ? coefficients[i - 1] : Rational(0)) - (i < degree ? coefficients[i] : Rational(0)) * points[k];
      }
    }
  };
  for (int j = 0; j < finite; ++j) {
    polynomial(j, result.input.at[j]);
    Rational norm = 1;
    for (int k = 0; k < finite; ++k) norm = k == j ? norm : norm * (points[j] - points[k]);
    Rational power = 1;
    for (int t = 0; t < Taps || t < Outputs; ++t) {
      if (t < Taps) result.kernel.at[j][t] = power / norm;
      if (t < Outputs) result.output.at[t][j] = power;
      power = power * points[j];
    }
  }
  polynomial(-1, result.input.at[finite]);
  result.kernel.at[finite][Taps - 1] = 1;
  result.output.at[Outputs - 1][finite] = 1;
  return result;
}

/// A stride-2 convolution of 3 taps, out_i = the sum over t of g_t x_{2i+t}, by its two phases: the
/// middle tap is used only at odd positions, the outer taps at even ones, as a convolution of 2
/// taps. 2 m + 1 products for m outputs instead of 3 m.
template <int Outputs>
constexpr BilinearAlgorithm<Outputs, 2 * Outputs + 1, 2 * Outputs + 1> stride2(const Rational (&points)[Outputs]) {
  const auto outer = cook_toom<Outputs, 2>(points);
  BilinearAlgorithm<Outputs, 2 * Outputs + 1, 2 * Outputs + 1> result;
  for (int i = 0; i < Outputs; ++i) {
    result.input.at[i][2 * i + 1] = 1;
    result.kernel.at[i][1] = 1;
    result.output.at[i][i] = 1;
  }
  for (int j = 0; j <= Outputs; ++j) {
    const int product = Outputs + j;
    for (int i = 0; i <= Outputs; ++i) result.input.at[product][2 * i] = outer.input.at[j][i];
    result.kernel.at[product][0] = outer.kernel.at[j][0];
    result.kernel.at[product][2] = outer.kernel.at[j][1];
    for (int i = 0; i < Outputs; ++i) result.output.at[i][product] = outer.output.at[i][j];
  }
  return result;
}

/// Its gradient to the data, for padding 1: out_2i = g_1 d_i, out_{2i+1} = g_2 d_i + g_0 d_{i+1}. 2
/// m outputs from m + 1 values.
template <int Half>
constexpr BilinearAlgorithm<2 * Half, Half + 1, 2 * Half + 1> stride2_data(const Rational (&points)[Half]) {
  const auto outer = cook_toom<Half, 2>(points);
  BilinearAlgorithm<2 * Half, Half + 1, 2 * Half + 1> result;
  for (int i = 0; i < Half; ++i) {
    result.input.at[i][i] = 1;
    result.kernel.at[i][1] = 1;
    result.output.at[2 * i][i] = 1;
  }
  for (int j = 0; j <= Half; ++j) {
    const int product = Half + j;
    for (int i = 0; i <= Half; ++i) result.input.at[product][i] = outer.input.at[j][i];
    result.kernel.at[product][2] = outer.kernel.at[j][0];
    result.kernel.at[product][0] = outer.kernel.at[j][1];
    for (int i = 0; i < Half; ++i) result.output.at[2 * i + 1][product] = outer.output.at[i][j];
  }
  return result;
}

// Points in pairs +p, -p: two rows of a matrix then share their even and odd parts
// (bilinear_apply.h). Small numbers and their inverses keep the coefficients, and with them the
// rounding error, small.
inline constexpr auto winograd_2 = cook_toom<2, 3>({0, 1, -1});
inline constexpr auto winograd_3 = cook_toom<3, 3>({0, 1, -1, 2});
inline constexpr auto winograd_4 = cook_toom<4, 3>({0, 1, -1, 2, -2});
inline constexpr auto winograd_5 = cook_toom<5, 3>({0, 1, -1, 2, -2, {1, 2}});
inline constexpr auto winograd_6 = cook_toom<6, 3>({0, 1, -1, 2, -2, {1, 2}, {-1, 2}});
inline constexpr auto stride2_2 = stride2<2>({0, 1});
inline constexpr auto stride2_3 = stride2<3>({0, 1, -1});
inline constexpr auto stride2_4 = stride2<4>({0, 1, -1, 2});
inline constexpr auto stride2_data_2 = stride2_data<2>({0, 1});
inline constexpr auto stride2_data_3 = stride2_data<3>({0, 1, -1});
inline constexpr auto stride2_data_4 = stride2_data<4>({0, 1, -1, 2});

}  // namespace amnet
