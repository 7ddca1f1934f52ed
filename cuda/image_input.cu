#include <amnet/kernels/image_input.h>

#include "elementwise.h"
#include "kernels/arguments.h"

namespace amnet {
namespace {

constexpr std::string_view who = "image_input";

/// A thread makes one pack of numbers, which is within one row. Where the image is mirrored it
/// reads the bytes one by one; the threads of a warp still read neighbouring bytes.
template <class T, int width>
struct ImageInput {
  static constexpr int threads = 256;
  const std::uint8_t *pixels, *mirror;
  const std::int64_t* chosen;  // (N) or nullptr
  T* y;
  std::int64_t packs, row, height, channels;  // a row has W * C elements
  float mean, scale;

  AMNET_DEVICE void operator()(const Thread& thread) const {
    for (std::int64_t p = thread.first(); p < packs; p += thread.step()) {
      const std::int64_t begin = p * width;
      const std::int64_t line = begin / row;
      const std::int64_t image = line / height;
      const std::int64_t source = chosen == nullptr ? line : line + (chosen[image] - image) * height;
      const std::int64_t first = begin - line * row;
      Pack<std::uint8_t, width> in;
      if (mirror[image] == 0) {
        in = load_pack<width>(pixels + source * row + first);
      } else {
        // Element w C + c of a row comes from (W - 1 - w) C + c.
        const std::uint8_t* last_pixel = pixels + (source + 1) * row - channels;
        std::int64_t channel = first % channels;
        for (int e = 0; e < width; ++e) {
          in.elements[e] = last_pixel[2 * channel - first - e];
          channel = channel + 1 == channels ? 0 : channel + 1;
        }
      }
      Pack<T, width> out;
      for (int e = 0; e < width; ++e) out.elements[e] = from_float<T>((static_cast<float>(in.elements[e]) - mean) * scale);
      store_pack(y + begin, out);
    }
  }
};

}  // namespace

void image_input(Cuda& cuda, const ImageInputOptions& options, const ImagePixels& pixels, const Tensor& mirror, const Tensor& y) {
  check_image_input(pixels, mirror, y);
  const Tensor& values = pixels.values;
  with_activation(y.dtype(), who, [&]<class T>() {
    const std::int64_t row = y.extent(2) * y.extent(3);
    with_width<T>(row % Pack<T>::size == 0 && starts_a_pack(y) && starts_a_pack(values, Pack<T>::size), [&]<int width>() {
      const ImageInput<T, width> kernel{.pixels = elements<const std::uint8_t>(values, who),
                                        .mirror = elements<const std::uint8_t>(mirror, who),
                                        .chosen = elements_or_null<const std::int64_t>(pixels.indices, who),
                                        .y = elements<T>(y, who),
                                        .packs = y.count() / width,
                                        .row = row,
                                        .height = y.extent(1),
                                        .channels = y.extent(3),
                                        .mean = static_cast<float>(options.mean),
                                        .scale = static_cast<float>(options.scale)};
      launch(cuda, blocks_for(cuda, kernel.packs, kernel.threads), kernel);
    });
  });
}

}  // namespace amnet
