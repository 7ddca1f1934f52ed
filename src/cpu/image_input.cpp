#include <amnet/kernels/image_input.h>

#include "lanes.h"

namespace amnet {

void image_input(Cpu& cpu, const ImageInputOptions& options, const Tensor& pixels, const Tensor& mirror, const Tensor& y) {
  require(pixels.rank() == 4 && y.shape() == pixels.shape(), "[image_input] expected pixels and an output (N,H,W,C) but got {} and {}.",
          pixels.shape(), y.shape());
  require(mirror.count() == pixels.extent(0), "[image_input] expected one mirror flag for each of {} images but got {}.", pixels.extent(0),
          mirror.shape());
  with_float(y.dtype(), "image_input", [&]<class T>() {
    const std::int64_t height = pixels.extent(1);
    const std::int64_t width = pixels.extent(2);
    const std::int64_t channels = pixels.extent(3);
    const std::uint8_t* in = pixels.data<const std::uint8_t>().data();
    const std::uint8_t* flags = mirror.data<const std::uint8_t>().data();
    T* out = y.data<T>().data();
    const T mean = static_cast<T>(options.mean);
    const T scale = static_cast<T>(options.scale);
    for_rows(cpu, pixels.extent(0) * height, width * channels, [=](std::int64_t line) {
      const std::uint8_t* from = in + line * width * channels;
      T* to = out + line * width * channels;
      if (flags[line / height] == 0) {
        for (std::int64_t i = 0; i < width * channels; ++i) to[i] = (static_cast<T>(from[i]) - mean) * scale;
        return;
      }
      for (std::int64_t w = 0; w < width; ++w) {
        for (std::int64_t c = 0; c < channels; ++c) {
          to[w * channels + c] = (static_cast<T>(from[(width - 1 - w) * channels + c]) - mean) * scale;
        }
      }
    });
  });
}

}  // namespace amnet
