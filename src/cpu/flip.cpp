#include <amnet/kernels/flip.h>

#include "kernels/arguments.h"
#include "lanes.h"

namespace amnet {
namespace {

void flip(Cpu& cpu, const Tensor& from, const Gradient& to, FlipAxes axes) {
  check_flip(from, to.tensor);
  with_float(from.dtype(), "flip", [&]<class T>() {
    const std::int64_t height = from.extent(1), width = from.extent(2), channels = from.extent(3);
    const T* source = from.data<T>().data();
    T* target = to.tensor.data<T>().data();
    for_rows(cpu, from.extent(0) * height, width * channels, [&](std::int64_t line) {
      const std::int64_t source_line = axes.height ? line + height - 1 - 2 * (line % height) : line;
      for (std::int64_t w = 0; w < width; ++w) {
        const T* pixel = source + (source_line * width + (axes.width ? width - 1 - w : w)) * channels;
        T* out = target + (line * width + w) * channels;
        for (std::int64_t c = 0; c < channels; ++c) put(out[c], pixel[c], to.write);
      }
    });
  });
}

}  // namespace

void flip_forward(Cpu& cpu, const Tensor& x, const Tensor& y, FlipAxes axes) { flip(cpu, x, {y, Write::assign}, axes); }

void flip_backward(Cpu& cpu, const Tensor& dy, const Gradient& dx, FlipAxes axes) {
  if (dx) flip(cpu, dy, dx, axes);
}

}  // namespace amnet
