// The two-dimensional transforms of a tile, composed of one algorithm for its height and one for
// its width (bilinear.h): first along the height into a small buffer, then along the width. Any two
// algorithms can be combined, and each one-dimensional pass is compiled once. A "line" is lanes<T>
// channels of one pixel: one vector.
#pragma once

#include <amnet/core/dtype.h>

#include <cstddef>
#include <cstdint>

namespace amnet {

/// in (inputs) -> out (products), for a matrix of (products, inputs).
template <class T>
struct AnalysisPass {
  /// Along the height. The value of row i and column j is the line at rows[i] + first + j * step;
  /// columns outside of [begin, end) are zero and not read. buffer: (products, columns, line).
  void (*height)(const T* const* rows, std::ptrdiff_t first, std::ptrdiff_t step, int begin, int end, int columns, T* buffer);
  /// Along the width: buffer (lines, inputs, line) to the products (i, j) at out + (i * products +
  /// j) * product_stride.
  void (*width)(const T* buffer, int lines, T* out, std::ptrdiff_t product_stride);
};

/// in (products) -> out (outputs), for a matrix of (outputs, products).
template <class T>
struct SynthesisPass {
  /// The product of row i and column j lies at in + (i * columns + j) * product_stride. buffer:
  /// (outputs, columns, line).
  void (*height)(const T* in, std::ptrdiff_t product_stride, int columns, T* buffer);
  /// buffer (lines, products, line) to out (lines, outputs, line).
  void (*width)(const T* buffer, int lines, T* out);
};

/// A one-dimensional algorithm, ready to run.
template <class T>
struct BilinearPasses {
  int outputs, inputs, products;
  AnalysisPass<T> input;     // x, by B^T
  AnalysisPass<T> kernel;    // weights, by G
  AnalysisPass<T> gradient;  // the outputs' gradient, by A
  SynthesisPass<T> output;   // the outputs, by A^T
  SynthesisPass<T> weights;  // the weights' gradient, by G^T

  /// As input.width, with the products rounded to bf16; null where no product takes them.
  void (*rounded_input_width)(const T* buffer, int lines, BFloat16* out, std::ptrdiff_t product_stride);
};

/// No algorithm of bilinear.h has more of these.
inline constexpr int max_tile_inputs = 9, max_tile_products = 9, max_tile_outputs = 8;

/// F(outputs, 3), outputs from 2 to 6.
template <class T>
const BilinearPasses<T>& winograd_passes(int outputs);
/// Stride 2, outputs from 2 to 4.
template <class T>
const BilinearPasses<T>& stride2_passes(int outputs);
/// The data gradient of stride 2; `half` from 2 to 4 gives 2 * half outputs.
template <class T>
const BilinearPasses<T>& stride2_data_passes(int half);

}  // namespace amnet
