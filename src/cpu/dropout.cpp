#include <amnet/core/random.h>
#include <amnet/kernels/dropout.h>

#include <cmath>

#include "lanes.h"

namespace amnet {

void dropout_forward(Cpu& cpu, const DropoutDraw& draw, const Tensor& x, const Tensor& y, const Tensor& mask) {
  with_float(x.dtype(), "dropout", [&]<class T>() {
    const T* in = x.data<T>().data();
    T* out = y.data<T>().data();
    std::uint8_t* kept = mask.data<std::uint8_t>().data();
    const T scale = static_cast<T>(1 / (1 - draw.ratio));
    const Random random(draw.seed, draw.stream, static_cast<std::uint64_t>(draw.step));
    // One draw of 64 bits decides about two elements, 32 bits each: an element is dropped where its
    // bits lie below the threshold.
    const auto threshold = static_cast<std::uint64_t>(std::llround(draw.ratio * 0x1p32));
    const std::int64_t count = x.count();
    for_elements(cpu, (count + 1) / 2, [&](std::int64_t pair) {
      const std::uint64_t bits = random.bits(static_cast<std::uint64_t>(pair));
      kept[2 * pair] = (bits & 0xFFFFFFFF) >= threshold;
      if (2 * pair + 1 < count) kept[2 * pair + 1] = (bits >> 32) >= threshold;
    });
    for_elements(cpu, count, [=](std::int64_t i) { out[i] = kept[i] != 0 ? in[i] * scale : T{0}; });
  });
}

void dropout_backward(Cpu& cpu, double ratio, const Tensor& mask, const Tensor& dy, const Gradient& dx) {
  if (!dx) return;
  with_float(dy.dtype(), "dropout", [&]<class T>() {
    const std::uint8_t* kept = mask.data<std::uint8_t>().data();
    const T* dout = dy.data<T>().data();
    T* din = dx.tensor.data<T>().data();
    const T scale = static_cast<T>(1 / (1 - ratio));
    for_elements(cpu, dy.count(), [=, write = dx.write](std::int64_t i) { put(din[i], kept[i] != 0 ? dout[i] * scale : T{0}, write); });
  });
}

}  // namespace amnet
