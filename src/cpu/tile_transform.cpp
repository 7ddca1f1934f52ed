#include "tile_transform.h"
#include "bfloat16.h"
#include "bilinear_apply.h"

#include <cassert>

namespace amnet {
namespace {

template <class T, const auto& M>
void analyse_height(const T* const* rows, std::ptrdiff_t first, std::ptrdiff_t step, int begin, int end, int columns, T* buffer) {
  for (int j = 0; j < columns; ++j) {
    T* to = buffer + j * lanes<T>;
    Vector<T> out[M.rows] = {};
    if (j >= begin && j < end) {
      Vector<T> in[M.columns];
#pragma GCC unroll 16
      for (int i = 0; i < M.columns; ++i) in[i] = load(rows[i] + first + j * step);
      analyse<T, M>(in, out);
    }
#pragma GCC unroll 16
    for (int i = 0; i < M.rows; ++i) store(to + i * columns * lanes<T>, out[i]);
  }
}

template <class T, const auto& M, class Factor = T>
void analyse_width(const T* buffer, int lines, Factor* out, std::ptrdiff_t product_stride) {
  for (int i = 0; i < lines; ++i) {
    Vector<T> in[M.columns], products[M.rows];
#pragma GCC unroll 16
    for (int j = 0; j < M.columns; ++j) in[j] = load(buffer + (i * M.columns + j) * lanes<T>);
    analyse<T, M>(in, products);
#pragma GCC unroll 16
    for (int j = 0; j < M.rows; ++j) store_factors(out + (i * M.rows + j) * product_stride, products[j]);
  }
}

template <class T, const auto& M>
void synthesise_height(const T* in, std::ptrdiff_t product_stride, int columns, T* buffer) {
  for (int j = 0; j < columns; ++j) {
    Vector<T> products[M.columns], out[M.rows];
#pragma GCC unroll 16
    for (int i = 0; i < M.columns; ++i) products[i] = load(in + (i * columns + j) * product_stride);
    synthesise<T, M>(products, out);
#pragma GCC unroll 16
    for (int i = 0; i < M.rows; ++i) store(buffer + (i * columns + j) * lanes<T>, out[i]);
  }
}

template <class T, const auto& M>
void synthesise_width(const T* buffer, int lines, T* out) {
  for (int i = 0; i < lines; ++i) {
    Vector<T> products[M.columns], values[M.rows];
#pragma GCC unroll 16
    for (int j = 0; j < M.columns; ++j) products[j] = load(buffer + (i * M.columns + j) * lanes<T>);
    synthesise<T, M>(products, values);
#pragma GCC unroll 16
    for (int j = 0; j < M.rows; ++j) store(out + (i * M.rows + j) * lanes<T>, values[j]);
  }
}

/// The matrices of an algorithm and their transposes, as objects that a template can name.
template <const auto& A>
struct Matrices {
  static constexpr auto input = A.input.rounded(), kernel = A.kernel.rounded(), output = A.output.rounded();
  static constexpr auto gradient = output.transposed(), weights = kernel.transposed();
};

template <class T, const auto& M>
constexpr decltype(BilinearPasses<T>::rounded_input_width) rounded_input_width() {
  if constexpr (bf16_products && std::is_same_v<T, float>) return analyse_width<T, M, BFloat16>;
  return nullptr;
}

template <class T, const auto& A>
constexpr BilinearPasses<T> passes_of() {
  using M = Matrices<A>;
  static_assert(M::input.columns <= max_tile_inputs && M::input.rows <= max_tile_products && M::output.rows <= max_tile_outputs);
  return {.outputs = M::output.rows,
          .inputs = M::input.columns,
          .products = M::input.rows,
          .input = {analyse_height<T, M::input>, analyse_width<T, M::input>},
          .kernel = {analyse_height<T, M::kernel>, analyse_width<T, M::kernel>},
          .gradient = {analyse_height<T, M::gradient>, analyse_width<T, M::gradient>},
          .output = {synthesise_height<T, M::output>, synthesise_width<T, M::output>},
          .weights = {synthesise_height<T, M::weights>, synthesise_width<T, M::weights>},
          .rounded_input_width = rounded_input_width<T, M::input>()};
}

}  // namespace

template <class T>
const BilinearPasses<T>& winograd_passes(int outputs) {
  static constexpr BilinearPasses<T> passes[] = {passes_of<T, winograd_2>(), passes_of<T, winograd_3>(), passes_of<T, winograd_4>(),
                                                 passes_of<T, winograd_5>(), passes_of<T, winograd_6>()};
  assert(outputs >= 2 && outputs <= 6);
  return passes[outputs - 2];
}

template <class T>
const BilinearPasses<T>& stride2_passes(int outputs) {
  static constexpr BilinearPasses<T> passes[] = {passes_of<T, stride2_2>(), passes_of<T, stride2_3>(), passes_of<T, stride2_4>()};
  assert(outputs >= 2 && outputs <= 4);
  return passes[outputs - 2];
}

template <class T>
const BilinearPasses<T>& stride2_data_passes(int half) {
  static constexpr BilinearPasses<T> passes[] = {passes_of<T, stride2_data_2>(), passes_of<T, stride2_data_3>(),
                                                 passes_of<T, stride2_data_4>()};
  assert(half >= 2 && half <= 4);
  return passes[half - 2];
}

template const BilinearPasses<float>& winograd_passes(int);
template const BilinearPasses<double>& winograd_passes(int);
template const BilinearPasses<float>& stride2_passes(int);
template const BilinearPasses<double>& stride2_passes(int);
template const BilinearPasses<float>& stride2_data_passes(int);
template const BilinearPasses<double>& stride2_data_passes(int);

}  // namespace amnet
