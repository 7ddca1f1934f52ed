#include <amnet/kernels/flatten.h>

#include "kernels/arguments.h"
#include "lanes.h"

namespace amnet {
namespace {

/// to (columns, rows) = the transpose of from (rows, columns), `samples` times, in tiles that stay
/// in the nearest cache.
template <class T>
void transpose(Cpu& cpu, std::int64_t samples, std::int64_t rows, std::int64_t columns, const T* from, T* to, Write write) {
  constexpr std::int64_t tile = 16;
  const std::int64_t bands = (columns + tile - 1) / tile;
  for_rows(cpu, samples * bands, rows * tile, [&](std::int64_t piece) {
    const T* source = from + piece / bands * rows * columns;
    T* target = to + piece / bands * rows * columns;
    const std::int64_t first = piece % bands * tile;
    const std::int64_t last = std::min(first + tile, columns);
    for (std::int64_t top = 0; top < rows; top += tile) {
      const std::int64_t bottom = std::min(top + tile, rows);
      for (std::int64_t column = first; column < last; ++column) {
        for (std::int64_t row = top; row < bottom; ++row) put(target[column * rows + row], source[row * columns + column], write);
      }
    }
  });
}

}  // namespace

void flatten_forward(Cpu& cpu, const Tensor& x, const Tensor& y) {
  with_float(x.dtype(), "flatten", [&]<class T>() {
    const FlattenedImages images(x.shape());
    transpose<T>(cpu, images.samples, images.pixels, images.channels, x.data<T>().data(), y.data<T>().data(), Write::assign);
  });
}

void flatten_backward(Cpu& cpu, const Tensor& dy, const Gradient& dx) {
  if (!dx) return;
  with_float(dy.dtype(), "flatten", [&]<class T>() {
    const FlattenedImages images(dx.tensor.shape());
    transpose<T>(cpu, images.samples, images.channels, images.pixels, dy.data<T>().data(), dx.tensor.data<T>().data(), dx.write);
  });
}

}  // namespace amnet
