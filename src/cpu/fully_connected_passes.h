// The three passes of a fully connected layer. They are one product, of panel_product.h, with the
// factors in other places:
//
//   forward            y^T (O x N) = w (O x I) x^T (I x N)     the samples are the lanes: x is transposed, and y back
//   backward, data     dx  (N x I) = dy (N x O) w (O x I)
//   backward, weights  dw  (O x I) = dy^T (O x N) x (N x I)
//
// The small factor is packed or transposed once for all. w is read in place, so that no pass holds
// a copy of it, and dw is written from registers, past the caches where it is larger than they are;
// what is read next is fetched during a product. What depends on the sizes alone, and so gives the
// same bits with any number of threads: the pieces of work, the terms that are summed in a row, and
// how sums are added up. A lane does not depend on the other lanes, so a sample has the
// same outputs in every batch.
//
// x (N,I), w and dw (O,I), y and dy (N,O), bias and norms (O). Where `norms` is not null, the unit
// rows w(o) / norm(o) are used in the place of w(o). The function after each pass gives the scratch
// that it takes.
#pragma once

#include "kernels/arguments.h"
#include "panel_product.h"
#include "parallel.h"
#include "workspace.h"

namespace amnet {

// rows of w in a piece: whole register blocks on every machine
inline constexpr std::int64_t piece_outputs = 48;
// columns of dx and dw in a piece: whole panels on every machine
inline constexpr std::int64_t piece_columns = 512;

/// parts[0] = the sum of the parts, in a binary tree; each has `count` elements and lies `stride`
/// after the one before.
template <class T>
void add_parts(T* parts, std::int64_t count, std::int64_t number, std::int64_t stride) {
  for (std::int64_t width = 1; width < number; width *= 2) {
    for (std::int64_t part = 0; part + width < number; part += 2 * width) {
      put_all(parts + part * stride, parts + (part + width) * stride, count, Write::add);
    }
  }
}

/// y = x w^T + bias; `bias` may be null. Writes the norms, sqrt(sum of squares + epsilon), unless
/// they are null.
template <class T>
void inner_product_forward(Cpu& cpu, const FullyConnectedSizes& sizes, const T* x, const T* w, T epsilon, const T* bias, T* y, T* norms);
template <class T>
WorkspaceSize<T> inner_product_forward_size(const FullyConnectedSizes& sizes);

/// dx (+)= dy w; `norms` may be null.
template <class T>
void inner_product_backward_data(Cpu& cpu, const FullyConnectedSizes& sizes, const T* dy, const T* w, const T* norms, T* dx, Write write);
template <class T>
WorkspaceSize<T> inner_product_backward_data_size(const FullyConnectedSizes& sizes);

/// dw (+)= dy^T x.
template <class T>
void inner_product_backward_weights(Cpu& cpu, const FullyConnectedSizes& sizes, const T* x, const T* dy, T* dw, Write write);
template <class T>
WorkspaceSize<T> inner_product_backward_weights_size(const FullyConnectedSizes& sizes);

/// dw (+)= (du - u <u, du>) / norm for the unit rows u, du = dy^T x.
template <class T>
void unit_rows_backward_weights(Cpu& cpu, const FullyConnectedSizes& sizes, const T* x, const T* dy, const T* w, const T* norms, T* dw,
                                Write write);
template <class T>
WorkspaceSize<T> unit_rows_backward_weights_size(const FullyConnectedSizes& sizes);

}  // namespace amnet
