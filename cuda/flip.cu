#include <amnet/kernels/flip.h>

#include "elementwise.h"
#include "kernels/arguments.h"

namespace amnet {
namespace {

constexpr std::string_view who = "flip";

template <class T, int width>
struct Flip {
  static constexpr int threads = 256;
  const T* from;
  T* to;
  std::int64_t packs, lines, columns, packs_per_pixel;
  FlipAxes axes;
  Write write;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    for (std::int64_t p = thread.first(); p < packs; p += thread.step()) {
      const std::int64_t column = p / packs_per_pixel % columns, line = p / (packs_per_pixel * columns) % lines;
      std::int64_t source = p;
      if (axes.width) source += (columns - 1 - 2 * column) * packs_per_pixel;
      if (axes.height) source += (lines - 1 - 2 * line) * columns * packs_per_pixel;
      const Pack<T, width> in = load_pack<width>(from + source * width);
      Pack<T, width> out{};
      if (write == Write::add) out = load_pack<width>(to + p * width);
      for (int e = 0; e < width; ++e) put(out.elements[e], to_float(in.elements[e]), write);
      store_pack(to + p * width, out);
    }
  }
};

void flip(Cuda& cuda, const Tensor& from, const Gradient& to, FlipAxes axes) {
  check_flip(from, to.tensor);
  with_activation(from.dtype(), who, [&]<class T>() {
    const bool packed = from.extent(3) % Pack<T>::size == 0 && starts_a_pack(from) && starts_a_pack(to.tensor);
    with_width<T>(packed, [&]<int width>() {
      const Flip<T, width> kernel{.from = elements<const T>(from, who),
                                  .to = elements<T>(to.tensor, who),
                                  .packs = from.count() / width,
                                  .lines = from.extent(1),
                                  .columns = from.extent(2),
                                  .packs_per_pixel = from.extent(3) / width,
                                  .axes = axes,
                                  .write = to.write};
      launch(cuda, blocks_for(cuda, kernel.packs, kernel.threads), kernel);
    });
  });
}

}  // namespace

void flip_forward(Cuda& cuda, const Tensor& x, const Tensor& y, FlipAxes axes) { flip(cuda, x, {y, Write::assign}, axes); }

void flip_backward(Cuda& cuda, const Tensor& dy, const Gradient& dx, FlipAxes axes) {
  if (dx) flip(cuda, dy, dx, axes);
}

}  // namespace amnet
