#include <amnet/kernels/dropout.h>

#include <cmath>

#include "core/philox.h"
#include "elementwise.h"

namespace amnet {
namespace {

constexpr std::string_view who = "dropout";

/// Draws which elements are kept, and records it. As on the CPU, one draw of 64 bits decides for
/// two neighbouring elements.
struct Draw {
  std::uint64_t key, step, threshold;
  std::uint8_t* mask;

  template <int width>
  AMNET_DEVICE Pack<std::uint8_t, width> kept(std::int64_t begin) const {
    static_assert(width == 1 || width % 2 == 0);
    Pack<std::uint8_t, width> result;
    std::uint64_t bits = 0;
    for (int e = 0; e < width; ++e) {
      const std::int64_t i = begin + e;
      if (e % 2 == 0) bits = random_bits(key, step, static_cast<std::uint64_t>(i / 2));
      result.elements[e] = (i % 2 == 0 ? low_word(bits) : high_word(bits)) >= threshold ? 1 : 0;
    }
    store_pack(mask + begin, result);
    return result;
  }
};
/// Reads the recorded choice.
struct Note {
  const std::uint8_t* mask;

  template <int width>
  AMNET_DEVICE Pack<std::uint8_t, width> kept(std::int64_t begin) const {
    return load_pack<width>(mask + begin);
  }
};

/// y (+)= scale x where `choice` keeps an element, 0 elsewhere.
template <class T, class Choice>
struct Drop {
  static constexpr int threads = 256;
  Choice choice;
  const T* x;
  T* y;
  std::int64_t count;
  float scale;
  Write write;
  bool packed;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    constexpr int width = Pack<T>::size;
    const std::int64_t packs = packed ? count / width : 0;
    for (std::int64_t p = thread.first(); p < packs; p += thread.step()) drop<width>(p * width);
    for (std::int64_t i = packs * width + thread.first(); i < count; i += thread.step()) drop<1>(i);
  }

  template <int width>
  AMNET_DEVICE void drop(std::int64_t begin) const {
    const Pack<std::uint8_t, width> kept = choice.template kept<width>(begin);
    const Pack<T, width> in = load_pack<width>(x + begin);
    Pack<T, width> out{};
    if (write == Write::add) out = load_pack<width>(y + begin);
    for (int e = 0; e < width; ++e) put(out.elements[e], kept.elements[e] != 0 ? to_float(in.elements[e]) * scale : 0, write);
    store_pack(y + begin, out);
  }
};

template <class Choice>
void drop(Cuda& cuda, double ratio, const Choice& choice, const Tensor& mask, const Tensor& x, const Gradient& y) {
  require(mask.count() == x.count() && y.tensor.count() == x.count(), "[dropout] expected tensors of one size but got {}, {} and {}.",
          x.shape(), y.tensor.shape(), mask.shape());
  with_activation(x.dtype(), who, [&]<class T>() {
    constexpr int width = Pack<T>::size;
    const Drop<T, Choice> kernel{.choice = choice,
                                 .x = elements<const T>(x, who),
                                 .y = elements<T>(y.tensor, who),
                                 .count = x.count(),
                                 .scale = static_cast<float>(1 / (1 - ratio)),
                                 .write = y.write,
                                 .packed = starts_a_pack(x) && starts_a_pack(y.tensor) && starts_a_pack(mask, width)};
    const std::int64_t items = kernel.packed ? (kernel.count + width - 1) / width : kernel.count;
    launch(cuda, blocks_for(cuda, items, kernel.threads), kernel);
  });
}

}  // namespace

void dropout_forward(Cuda& cuda, const DropoutDraw& draw, const Tensor& x, const Tensor& y, const Tensor& mask) {
  const Draw choice{.key = random_key(draw.seed, draw.stream),
                    .step = static_cast<std::uint64_t>(draw.step),
                    .threshold = static_cast<std::uint64_t>(std::llround(draw.ratio * 0x1p32)),
                    .mask = elements<std::uint8_t>(mask, who)};
  drop(cuda, draw.ratio, choice, mask, x, {y, Write::assign});
}

void dropout_backward(Cuda& cuda, double ratio, const Tensor& mask, const Tensor& dy, const Gradient& dx) {
  if (dx) drop(cuda, ratio, Note{elements<const std::uint8_t>(mask, who)}, mask, dy, dx);
}

}  // namespace amnet
