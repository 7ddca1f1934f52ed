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
  std::int64_t packs, columns, packs_per_pixel;
  Write write;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    for (std::int64_t p = thread.first(); p < packs; p += thread.step()) {
      const std::int64_t column = p / packs_per_pixel % columns;
      const std::int64_t source = p + (columns - 1 - 2 * column) * packs_per_pixel;
      const Pack<T, width> in = load_pack<width>(from + source * width);
      Pack<T, width> out{};
      if (write == Write::add) out = load_pack<width>(to + p * width);
      for (int e = 0; e < width; ++e) put(out.elements[e], to_float(in.elements[e]), write);
      store_pack(to + p * width, out);
    }
  }
};

void flip(Cuda& cuda, const Tensor& from, const Gradient& to) {
  check_flip(from, to.tensor);
  with_activation(from.dtype(), who, [&]<class T>() {
    const bool packed = from.extent(3) % Pack<T>::size == 0 && starts_a_pack(from) && starts_a_pack(to.tensor);
    with_width<T>(packed, [&]<int width>() {
      const Flip<T, width> kernel{.from = elements<const T>(from, who),
                                  .to = elements<T>(to.tensor, who),
                                  .packs = from.count() / width,
                                  .columns = from.extent(2),
                                  .packs_per_pixel = from.extent(3) / width,
                                  .write = to.write};
      launch(cuda, blocks_for(cuda, kernel.packs, kernel.threads), kernel);
    });
  });
}

}  // namespace

void flip_forward(Cuda& cuda, const Tensor& x, const Tensor& y) { flip(cuda, x, {y, Write::assign}); }

void flip_backward(Cuda& cuda, const Tensor& dy, const Gradient& dx) {
  if (dx) flip(cuda, dy, dx);
}

}  // namespace amnet
